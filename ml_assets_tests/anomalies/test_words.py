import datetime as dt
import re
from typing import Any

import polars as pl
import pytest

from ml_assets.anomalies.frames import ACCOUNT, METRICS, STATUSES, TYPES
from ml_assets.anomalies.words import LANGUAGES, describe_anomalies, describe_incidents
from ml_assets.anomalies.words.describe import MONEY, PARTS
from ml_assets.anomalies.words.values import anomaly_values, incident_values
from ml_assets.errors import UsageError
from ml_assets.words.phrases import placeholders
from ml_assets_tests.anomalies.incidents_made import (
    CURRENCIES,
    IDS,
    NAMES,
    ONSET,
    TODAY,
    anomalies,
    anomaly,
    incident,
    incidents,
)

LEVELS = (ACCOUNT, "campaign", "adset", "ad")
PUT_IN = {"name", "parent_name", "within", "percent", "times", "number"}
"""Placeholders that are filled on the way."""


def told(*rows: dict[str, Any], language: str = "en") -> list[str]:
    return describe_incidents(incidents(*rows), NAMES, CURRENCIES, language)["description"].to_list()


def said(*rows: dict[str, Any], language: str = "en", **names: pl.DataFrame) -> list[str]:
    known = names.get("names", NAMES)
    return describe_anomalies(anomalies(*rows), known, CURRENCIES, language)["description"].to_list()


def require_a_sentence(text: str | None) -> None:
    """Capital, one full stop, no holes, no machine's words, and no id of what has a name."""
    assert text is not None
    assert re.search(r"\.\s+[A-Z]", text) is None, text
    for sign in (
        "null",
        "None",
        "nan",
        "inf",
        "{",
        "}",
        "  ",
        " .",
        "..",
        ";;",
        "_",
        ": .",
        "12000",
        "13000",
    ):
        assert sign not in text, (sign, text)
    assert text[0].isupper(), text
    assert text.endswith("."), text


@pytest.fixture
def every_incident() -> list[dict[str, Any]]:
    """Each kind at each level, as it stands on several days of its life, known well and hardly at all."""
    lives: list[dict[str, Any]] = [
        {},
        {"onset_date": TODAY},
        {"last_date": TODAY - dt.timedelta(days=1)},
        {"document": {"is_provisional": True}},
        {"document": {"rate_mix": {"rate": 0.1, "mix": 0.9}}},
        {"document": {"metrics": {"spend": -0.9, "cpm": 0.1, "ctr": 0.0, "cvr": -0.1, "cpl": 0.2}}},
        {"document": {"shares": []}, "money": None},
        {"document": {"observed": None, "expected": None, "metric": None, "series": []}},
        {"attribution": None, "money": None, "verdict": None},
        {"ratio": 1e9},
        {"ratio": 1.0},
        *({"status": status, "last_date": day} for status in STATUSES for day in (ONSET, TODAY)),
    ]
    return [incident(kind, level, **dict(life)) for kind in TYPES for level in LEVELS for life in lives]


# ------------------------------------------------------------------------------------ phrase tables


def test_every_language_has_the_same_phrases_and_numbers_in_them() -> None:
    english = LANGUAGES["en"].phrases
    for name, language in LANGUAGES.items():
        assert set(language.phrases) == set(english), name
        for key, phrase in language.phrases.items():
            assert set(placeholders(phrase)) == set(placeholders(english[key])), (name, key)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_placeholder_has_a_value(language: str) -> None:
    words = LANGUAGES[language]
    of_incidents = {*incident_values(words, PARTS), *PUT_IN}
    for key, phrase in words.phrases.items():
        known = {*anomaly_values(words), *PUT_IN} if key.startswith("anomaly") else of_incidents
        assert set(placeholders(phrase)) <= known, key


def test_every_kind_and_metric_has_its_phrases() -> None:
    phrases = LANGUAGES["en"].phrases
    assert {f"metric.{metric}" for metric in METRICS} <= set(phrases)
    assert set(MONEY) | set(PARTS) <= set(TYPES)
    for kind in TYPES:
        is_of_a_metric = kind.rpartition("_")[0].lower() in METRICS
        assert is_of_a_metric or f"what.{kind}.past" in phrases, kind


def test_a_language_without_phrases_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="en or pt-BR"):
        told(incident(), language="fr")


# ------------------------------------------------------------------------------------ incidents


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_at_every_level_in_every_state_is_one_sentence(
    every_incident: list[dict[str, Any]], language: str
) -> None:
    for text in told(*every_incident, language=language):
        require_a_sentence(text)
        assert len(text) <= 500, text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "en",
            "CPM of ad set 'Lookalike 2 %' in 'Leads (cold)' has doubled since Jun 3 (R$50.80 on Jun 7,"
            " expected R$25.40): about R$230 overspent so far, mostly in ads 'Reel / hook' and 'Carousel'.",
        ),
        (
            "pt-BR",
            "O CPM do conjunto de anúncios 'Lookalike 2 %' em 'Leads (cold)' dobrou desde 03/06 (R$ 50,80 em"
            " 07/06, esperado R$ 25,40): cerca de R$ 230 gastos a mais até agora, principalmente nos anúncios"
            " 'Reel / hook' e 'Carousel'.",
        ),
    ],
)
def test_what_since_when_how_much_and_where_is_said(language: str, text: str) -> None:
    assert told(incident(), language=language) == [text]


@pytest.mark.parametrize(
    ("kind", "ratio", "words"),
    [
        ("SPEND_SPIKE", 1.45, "has risen by 45% since Jun 3"),
        ("SPEND_SPIKE", 2.1, "has doubled since"),
        ("SPEND_SPIKE", 3.0, "has tripled since"),
        ("SPEND_SPIKE", 5.7, "has grown to 5.7 times what was expected since"),
        ("SPEND_DROP", 0.31, "has fallen by 69% since"),
        ("SPEND_DROP", 0.5, "has halved since"),
        ("SPEND_DROP", 0.001, "has fallen by 99% since"),
        ("LEADS_DROP", 0.0, "has dropped to zero since"),
    ],
)
def test_the_change_is_told_against_what_was_expected(kind: str, ratio: float, words: str) -> None:
    assert words in told(incident(kind, ratio=ratio))[0]


def test_a_last_day_that_contradicts_the_incident_is_not_told() -> None:
    (text,) = told(incident("CTR_DROP", "ad", ratio=1.3))
    assert text.startswith(
        "Click-through rate of ad 'Reel / hook' in 'Lookalike 2 %' has been lower than expected since Jun 3:"
    )
    assert "expected 1.56%" not in text


def test_money_is_so_far_while_it_is_open_and_what_is_gained_is_not_lost() -> None:
    over = {"status": "closed", "last_date": TODAY - dt.timedelta(days=2)}
    open_text, closed = told(incident("CPL_DROP"), incident("CTR_DROP", **over))
    assert "about R$230 saved so far" in open_text
    assert closed.endswith(": about R$230 lost; back to normal since Jun 6.")


def test_how_it_stands_is_said() -> None:
    before = TODAY - dt.timedelta(days=1)
    gone = {"document": {"series": []}, "last_date": before}
    recovered, quiet, merged, normal, provisional, unseen, ended = told(
        incident(status="closed", last_date=dt.date(2026, 6, 5)),
        incident(last_date=before),
        incident(status="closed", document={"merged_into": "5d1c"}),
        incident(status="closed", last_date=before, onset_date=TODAY - dt.timedelta(days=22)),
        incident(document={"is_provisional": True}),
        incident(**gone),
        incident(status="closed", **gone),
    )
    assert "doubled from Jun 3 to Jun 5 (R$50.80 on Jun 5" in recovered
    assert recovered.endswith("; back to normal since Jun 6.")
    assert quiet.endswith("; back in the usual range on Jun 7, watched a little longer.")
    assert merged.endswith("; part of a larger incident since Jun 7.")
    assert normal.endswith("; it has gone on for so long that it counts as normal now.")
    assert unseen.endswith("; not seen on Jun 7, watched a little longer.")
    assert ended.endswith("; no longer seen since Jun 7.")
    assert provisional.endswith("; provisional, since Jun 7 is still running.")


def test_what_newer_figures_do_not_show_is_said_to_be_no_longer_found() -> None:
    lost = [
        incident(status="closed"),
        incident("ZERO_SPEND", status="closed", onset_date=TODAY - dt.timedelta(days=40)),
        incident(status="superseded"),
    ]
    closed, long_closed, superseded = describe_incidents(
        incidents(*lost), NAMES, CURRENCIES, "en", is_lost=True
    )["description"]
    assert "doubled from Jun 3 to Jun 7 (R$50.80 on Jun 7, expected R$25.40): about R$230 overspent" in closed
    for text in (closed, long_closed):
        assert text.endswith("; as the figures stand now, not found from Jun 8 on.")
    assert superseded.endswith("; as the figures stand now, not found at all.")
    texts = describe_incidents(incidents(*lost), NAMES, CURRENCIES, "pt-BR", is_lost=True)["description"]
    assert texts[0].endswith("; pelos números atuais, não é encontrado a partir de 08/06.")


def test_a_band_without_an_upper_end_has_everything_above_its_lower_one() -> None:
    day = {"date": TODAY.isoformat(), "observed": 90.0, "expected": 30.0, "lower": 12.0, "upper": None}
    before = TODAY - dt.timedelta(days=1)
    (text,) = told(incident("CPL_DROP", last_date=before, document={"series": [day]}))
    assert text.endswith("; back in the usual range on Jun 7, watched a little longer.")


def test_a_whole_account_that_moved_is_nobodys_fault() -> None:
    (text,) = told(incident("CPM_SPIKE", ACCOUNT))
    assert text.startswith("CPM of the whole account has doubled")
    assert text.endswith("; its campaigns moved together, so no single one is the cause.")
    assert IDS[ACCOUNT] not in text


def test_the_part_that_changed_most_is_named_as_the_cause() -> None:
    metrics = {"spend": 0.0, "cpm": 0.05, "ctr": -0.02, "cvr": -0.36, "cpl": 0.43}
    mixed = {"rate": 0.2, "mix": 0.8}
    rate, mix, none = told(
        incident("CPL_SPIKE", "campaign", document={"metrics": metrics}),
        incident("CPL_SPIKE", "campaign", document={"metrics": metrics, "rate_mix": mixed}),
        incident("CPL_SPIKE", "campaign", document={"metrics": {**metrics, "cvr": None}}),
    )
    assert ", mainly because the lead rate (leads per click) fell by 30%: " in rate
    assert ", mainly because delivery moved between its ad sets, not because they changed: " in mix
    assert "because" not in none


def test_of_a_day_on_which_it_did_not_show_no_cause_and_place_is_told() -> None:
    metrics = {"spend": 0.0, "cpm": 0.05, "ctr": -0.02, "cvr": -0.36, "cpl": 0.43}
    quiet = {"last_date": TODAY - dt.timedelta(days=1), "document": {"metrics": metrics}}
    (text,) = told(incident("CPL_SPIKE", "campaign", **quiet))
    assert "because" not in text
    assert "mostly" not in text


def test_where_it_comes_from_is_one_two_or_a_count() -> None:
    def shares(*parts: float) -> dict[str, Any]:
        ids = ("140002", "140001", "140003", "unknown")
        listed = [
            {"entity_type": "ad", "entity_id": entity_id, "share": part}
            for entity_id, part in zip(ids, parts, strict=False)
        ]
        return {"document": {"shares": listed}}

    everything, most, three, scattered, deeper = told(
        incident(**shares(0.97, 0.03)),
        incident(**shares(0.8, 0.2)),
        incident(**shares(0.4, 0.3, 0.3)),
        incident(**shares(0.3, 0.2)),
        incident("CPM_SPIKE", "campaign", **shares(0.97)),
    )
    assert everything.endswith(", all of it in ad 'Carousel'.")
    assert most.endswith(", mostly in ad 'Carousel'.")
    assert three.endswith(", mostly in 3 ads, first of all 'Carousel'.")
    assert scattered.endswith("overspent so far.")
    assert deeper.endswith("overspent so far.")


def test_rows_keep_their_order_and_everything_but_the_description(
    every_incident: list[dict[str, Any]],
) -> None:
    frame = incidents(*every_incident)
    described = describe_incidents(frame, NAMES, CURRENCIES, "en")
    assert described.drop("description").equals(frame.drop("description"))
    assert described.schema == frame.schema
    backwards = describe_incidents(frame.reverse(), NAMES.reverse(), CURRENCIES, "en")
    assert backwards.reverse().equals(described)
    assert describe_incidents(frame.clear(), NAMES, CURRENCIES, "en").equals(frame.clear())


def test_what_has_no_name_is_called_by_its_id() -> None:
    described = describe_incidents(incidents(incident()), NAMES.clear(), CURRENCIES, "en")
    assert described["description"][0].startswith("CPM of ad set '130001' in '120001' has")


# ------------------------------------------------------------------------------------ anomalies


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_type_of_anomaly_at_every_level_is_one_short_sentence(language: str) -> None:
    unknown = {"observed_value": None, "expected_value": None, "lower_value": None, "upper_value": None}
    rows = [
        anomaly(kind, level, **values)
        for kind in TYPES
        for level in LEVELS[1:]
        for values in ({}, {"lower_value": None}, unknown, {"metric_name": "leads"})
    ]
    for text in said(*rows, language=language):
        require_a_sentence(text)
        assert len(text) <= 200, text


def test_an_anomaly_says_what_was_seen_and_what_was_expected() -> None:
    assert said(anomaly("CTR_DROP", "ad")) == [
        "Click-through rate of ad 'Reel / hook' in 'Lookalike 2 %' on Jun 7: 0.78%, expected 1.56% (1.17% to"
        " 2.03%)."
    ]
