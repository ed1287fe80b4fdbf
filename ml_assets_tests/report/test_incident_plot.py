"""The picture of an incident: every kind draws, in every language, and is small enough for a page."""

import base64
import json
import re
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from ml_assets.anomalies.frames import METRICS, SEVERITIES, TYPES
from ml_assets.anomalies.words import LANGUAGES, describe_incidents
from ml_assets.report.incident_plot import (
    SEVERITY_COLOURS,
    WORDS,
    incident_plot_markdown,
    incident_plot_png,
)
from ml_assets.report.pictures import LARGEST
from ml_assets_tests.anomalies.incidents_made import CURRENCIES, NAMES, incident, incidents

SMALLEST = (400, 200)


def told(language: str = "en", *arguments: Any, **values: Any) -> dict[str, Any]:
    frame = incidents(incident(*arguments, **values))
    return describe_incidents(frame, NAMES, CURRENCIES, language).row(0, named=True)


def chunks_of(png: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG by kind, each with its checksum verified."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found: dict[bytes, bytes] = {}
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(kind + data)
        found[kind] = data
        at += length + 12
    return found


def test_every_language_and_metric_and_severity_has_its_words_and_colour() -> None:
    assert set(WORDS) == set(LANGUAGES)
    assert set(WORDS["en"]) == set(WORDS["pt-BR"]) >= set(METRICS)
    assert set(SEVERITY_COLOURS) == set(SEVERITIES)


ONE_OF_EACH_UNIT = ("ZERO_SPEND", "CTR_DROP", "TRACKING_BREAK", "DATA_QUALITY")


@pytest.mark.parametrize(("language", "kinds"), [("en", TYPES), ("pt-BR", ONE_OF_EACH_UNIT)])
def test_every_kind_is_a_whole_picture_that_fits_into_a_page(language: str, kinds: Sequence[str]) -> None:
    for kind in kinds:
        row = told(language, kind)
        text = incident_plot_markdown(row, language)
        if kind in {"DATA_QUALITY", "PERFORMANCE_DROP", "PERFORMANCE_SPIKE"}:
            assert text == "", "an incident without a series has nothing to show"
            continue
        assert len(text) <= LARGEST
        image = re.fullmatch(r"!\[([^\[\]\n]+)\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", text)
        assert image is not None, kind
        chunks = chunks_of(base64.b64decode(image[2]))
        width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
        assert (width, height) > SMALLEST
        # four bytes a pixel and one a line
        assert len(zlib.decompress(chunks[b"IDAT"])) == height * (4 * width + 1)
        assert image[1].startswith(str(row["description"])[:40].replace("[", "("))


def test_odd_series_and_names_are_drawn_all_the_same() -> None:
    gap = {"date": "2026-06-06", "observed": None, "expected": None, "lower": None, "upper": None}
    wide = {"date": "2026-06-07", "observed": 0.0, "expected": 3.0, "lower": 0.0, "upper": 9e9}
    row = told("en", "SPEND_DROP", document={"series": [wide, gap]})
    for odd in (
        row,
        {**row, "description": None, "severity": None},
        {**row, "description": "![x](y) " * 60},
        {**row, "attribution": json.loads(row["attribution"])},
        {**row, "attribution": None},
        told("en", "CTR_DROP", document={"series": [{**gap, "expected": 0.0}]}),
        told("en", "CPL_DROP", document={"series": [{**wide, "upper": None}]}),
    ):
        assert chunks_of(incident_plot_png(odd))
    assert incident_plot_markdown({**row, "description": "![x](y) "}).startswith("![!(x)(y)](data:")
