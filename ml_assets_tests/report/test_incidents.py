"""The open incidents of the report and the list: what is shown, in which order, what is only counted."""

import datetime as dt
import io
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from rich.console import Console

from ml_assets.anomalies.words import describe_incidents
from ml_assets.entities import LEVELS, EntityType
from ml_assets.report.incidents import (
    BARS,
    CLOSED_DAYS,
    OpenIncidents,
    draw_open_incidents,
    read_account_incidents,
    sparklines,
)
from ml_assets_tests.anomalies.incidents_made import CURRENCIES, NAMES, TODAY, incident, incidents
from ml_assets_tests.storage.incidents_stored import plain, put_incidents


def told(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows with their sentences."""
    described = describe_incidents(plain(*rows), NAMES, CURRENCIES, "en")["description"]
    return [{**row, "description": text} for row, text in zip(rows, described, strict=True)]


def shown(connection: sa.Connection, *rows: dict[str, Any], **options: Any) -> str:
    put_incidents(connection, *told(*rows))
    levels = options.get("levels", LEVELS)
    return drawn(read_account_incidents(connection, 1, TODAY, levels), **options)


def drawn(open_incidents: OpenIncidents, encoding: str = "utf-8", top: int = 5, **_: Any) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    console = Console(file=file, width=100, markup=False, emoji=False, highlight=False)
    draw_open_incidents(open_incidents, console, top=top)
    file.flush()
    raw = file.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode(encoding)


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.begin() as connection:
        yield connection


def test_sentences_come_with_severity_series_and_id_most_pressing_first(connection: sa.Connection) -> None:
    spike = incident("CPM_SPIKE", alert_rank=2, severity="MEDIUM")
    text = shown(connection, spike, incident("ZERO_SPEND", "campaign", severity="CRITICAL"))
    lines = text.splitlines()
    assert lines[1] == "Open incidents, most pressing first"
    assert lines[2].startswith("critical  Campaign 'Leads (cold)' has spent nothing since Jun 3")
    assert f"┊{BARS[-1] * 5}  CPM, 28 days to 2026-06-07  {spike['incident_id'][:8]}" in text
    assert text.index("critical") < text.index("medium")
    assert max(map(len, lines)) <= 100


def test_what_people_answered_and_what_is_below_the_fold_is_only_counted(connection: sa.Connection) -> None:
    text = shown(
        connection,
        incident("CPM_SPIKE", feedback="EXPECTED"),
        incident("CTR_DROP", feedback="CONFIRMED", acknowledged_by="ana", resolution_notes="sale [b]"),
        incident("CVR_DROP", alert_rank=2),
        incident("CPM_DROP", alert_rank=None),
        top=1,
    )
    assert "CPM of ad set" not in text
    assert "called confirmed, acknowledged by ana: sale [b]" in " ".join(text.split())
    last = " ".join(text.split())[-120:]
    assert "1 more issued, 1 below the fold, 1 that people have answered; `ml-assets incidents list" in last


def ended(days_ago: int, kind: str = "CPM_SPIKE", level: str = "adset", **other: Any) -> dict[str, Any]:
    """An incident that was closed so many days before TODAY."""
    date = TODAY - dt.timedelta(days=days_ago)
    last = date - dt.timedelta(days=2)
    return incident(
        kind,
        level,
        status="closed",
        onset_date=last,
        last_date=last,
        evaluated_date=date,
        **{"alert_rank": 1, **other},
    )


def test_a_calm_day_says_so(connection: sa.Connection) -> None:
    text = shown(
        connection,
        ended(CLOSED_DAYS),
        ended(2, "CTR_DROP", alert_rank=None),
        ended(3, "CVR_DROP", feedback="FALSE_ALARM"),
        ended(4, "SPEND_SPIKE", document={"merged_into": "5d1c"}),
    )
    assert text == "\nOpen incidents: none\n"


def test_where_none_is_open_the_last_that_ended_are_told_with_money_and_end(
    connection: sa.Connection,
) -> None:
    rows = [
        ended(CLOSED_DAYS - 1, "CTR_DROP"),
        ended(1, "ZERO_SPEND", "campaign"),
        ended(5, "CVR_DROP"),
        ended(3, "SPEND_SPIKE"),
    ]
    text = shown(connection, *rows)
    assert "Open incidents: none\nOver in the last 14 days (3 of 4):" in text
    assert "`ml-assets incidents list --status closed` shows all." in text
    plain_text = " ".join(text.split())
    assert "about R$230 not spent; back to normal since Jun 5." in plain_text
    assert (
        plain_text.index("spent nothing")
        < plain_text.index("Spend of ad set")
        < plain_text.index("Lead rate")
    )
    assert "Click-through rate" not in text
    assert max(map(len, text.splitlines())) <= 100

    with_open = shown(connection, *rows, incident("CPM_SPIKE", "ad"))
    assert "Over in the last" not in with_open
    only_campaigns = shown(connection, *rows, levels=[EntityType.CAMPAIGN])
    assert "(1):" in only_campaigns


def test_a_level_shows_its_own_incidents_and_those_of_the_account(connection: sa.Connection) -> None:
    rows = (incident("CPM_SPIKE", "ad"), incident("CPM_SPIKE", "campaign"), incident("CTR_DROP", "account"))
    text = shown(connection, *rows, levels=[EntityType.AD])
    assert "CPM of ad 'Reel" in text
    assert "rate of the whole account" in text
    assert "of campaign" not in text


def test_a_console_that_knows_no_bars_gets_none(connection: sa.Connection) -> None:
    text = shown(connection, incident("CPM_SPIKE", "campaign"), encoding="ascii")
    assert "CPM, 28 days to" in text


def test_a_series_reads_from_nothing_to_its_highest_value() -> None:
    def point(day: int, observed: float | None) -> dict[str, Any]:
        return {"date": f"2026-06-{day:02d}", "observed": observed}

    series = [point(4, 14.0), point(1, 0.0), point(2, 7.0), point(5, None), point(3, 2.0)]
    empty = incident("DATA_QUALITY")
    nothing = incident("ZERO_SPEND", document={"series": [point(2, 0.0), point(3, 0.0)]})
    rows = incidents(incident(document={"series": series}), empty, nothing, incident(attribution=None))
    assert sparklines(rows) == ["▁▅┊▂█ ", "", "▁┊▁", ""]
    assert sparklines(pl.DataFrame(rows).clear()) == []
