"""An incident is told once, again when it is much worse, and when it is over; nothing else is."""

import datetime as dt
import json
from typing import Any

import polars as pl
import pytest

from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.frames import empty
from ml_assets.notices import phrases_en, phrases_pt_br
from ml_assets.notices.incidents import TOLD, WATCHED, Event, incident_news, incident_notices
from ml_assets.notices.message import MOST_IN_HEADER, MOST_IN_SECTION
from ml_assets.words.phrases import placeholders
from ml_assets_tests.storage.frames_of import frame

TODAY = dt.date(2026, 3, 10)
ACCOUNTS = pl.DataFrame({"config_id": [1], "name": ["Clinic"], "currency": ["BRL"]})
ID = "0f0e0d0c-0000-0000-0000-000000000000"


def incident(**values: Any) -> dict[str, Any]:
    document = {
        "money_today": values.pop("money_today", 1200.0),
        "is_provisional": values.pop("is_provisional", False),
        "merged_into": values.pop("merged_into", None),
    }
    return {
        "config_id": 1,
        "entity_type": "campaign",
        "entity_id": "7",
        "kind": "ZERO_SPEND",
        "onset_date": dt.date(2026, 3, 8),
        "evaluated_date": TODAY,
        "incident_id": ID,
        "last_date": TODAY,
        "status": "open",
        "severity": "CRITICAL",
        "money": 3400.0,
        "alert_rank": 1,
        "description": "Campaign 'Leads' spends nothing.",
        "attribution": json.dumps(document),
        **values,
    }


def told(**values: Any) -> dict[str, Any]:
    last = {"event": "raised", "number": 1, "money": 1000.0, "is_provisional": False}
    return {"incident_id": ID, **last, **values}


def news(row: dict[str, Any], before: dict[str, Any] | None = None) -> pl.DataFrame:
    known = frame([before], TOLD) if before else empty(TOLD)
    return incident_news(frame([row], WATCHED), known, TODAY, AnomalyPolicy())


def event(row: dict[str, Any], before: dict[str, Any] | None = None) -> str | None:
    found = news(row, before)
    return found["event"].item() if found.height else None


@pytest.mark.parametrize(
    "quiet",
    [
        {"severity": "HIGH"},
        {"status": "closed"},
        {"status": "superseded"},
        {"evaluated_date": TODAY - dt.timedelta(days=3)},
        {"feedback": "EXPECTED"},
        {"feedback": "FALSE_ALARM"},
        {"feedback": "NEW_NORMAL"},
    ],
    ids=str,
)
def test_a_critical_incident_is_raised_and_lesser_old_or_answered_ones_are_not(quiet: dict[str, Any]) -> None:
    assert event(incident()) == Event.RAISED
    assert event(incident(feedback="CONFIRMED")) == Event.RAISED
    assert event(incident(**quiet)) is None


def test_an_incident_that_goes_on_is_told_again_when_it_has_grown_by_half() -> None:
    assert event(incident(money_today=1499.0), told()) is None
    assert event(incident(money_today=1500.0), told()) == Event.GROWN
    grown = told(event="grown", number=2, money=1500.0)
    assert event(incident(money_today=2000.0), grown) is None
    assert event(incident(money_today=2250.0), grown) == Event.GROWN
    # It grows in money with every day it goes on; that is no news.
    assert event(incident(money_today=1000.0, money=90_000.0), told()) is None


def test_a_running_day_grows_by_itself_and_growth_is_measured_from_whole_days() -> None:
    assert event(incident(money_today=9000.0, is_provisional=True), told()) is None
    of_morning = told(money=300.0, is_provisional=True)
    assert event(incident(money_today=1200.0, is_provisional=True), of_morning) is None
    rebased = news(incident(money_today=1200.0), of_morning)
    assert rebased["event"].item() == Event.REBASED
    assert incident_notices(rebased, ACCOUNTS, "en") == []


def test_the_end_is_told_of_what_was_told() -> None:
    assert event(incident(status="closed", severity="HIGH"), told()) == Event.RECOVERED
    assert event(incident(status="superseded"), told()) == Event.WITHDRAWN
    # Also where nobody looked for days: its last look is as old as that.
    long_ago = {"evaluated_date": TODAY - dt.timedelta(days=9)}
    assert event(incident(status="closed", **long_ago), told()) == Event.RECOVERED
    assert event(incident(money_today=9e9, **long_ago), told()) is None
    assert event(incident(status="closed", merged_into="another"), told()) is None
    assert event(incident(status="closed"), told(event="recovered", number=2)) is None


def test_what_a_running_day_shows_and_hides_again_is_told_once() -> None:
    for status in ("closed", "superseded"):
        hidden = incident(status=status, is_provisional=True)
        assert event(hidden, told(is_provisional=True)) is None
        over = {**hidden, "evaluated_date": TODAY - dt.timedelta(days=1)}
        assert event(over, told(is_provisional=True)) in {Event.RECOVERED, Event.WITHDRAWN}
    assert event(incident(is_provisional=True), told(is_provisional=True)) is None


def test_an_incident_that_opens_again_is_another_notice() -> None:
    first = incident_notices(news(incident()), ACCOUNTS, "en")[0]
    again = incident_notices(news(incident(), told(event="recovered", number=2)), ACCOUNTS, "en")[0]
    assert again.event == Event.RAISED
    assert (first.key, again.key) == (f"incident|{ID}|1", f"incident|{ID}|3")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["R$1,500 a day at stake", "was R$1,000 a day when last told", "since Mar 8"]),
        ("pt-BR", ["R$ 1.500 por dia em jogo", "eram R$ 1.000 por dia no último aviso", "desde 08/03"]),
    ],
)
def test_a_notice_says_whose_what_how_much_and_which(language: str, said: list[str]) -> None:
    (notice,) = incident_notices(news(incident(money_today=1500.0), told()), ACCOUNTS, language)
    text = json.dumps(notice.payload, ensure_ascii=False)
    assert [
        part for part in [*said, "Clinic", "Campaign 'Leads' spends nothing.", ID[:8]] if part not in text
    ] == []
    assert (notice.config_id, notice.incident_id, notice.money) == (1, ID, 1500.0)


def test_names_that_hold_markup_mention_nobody_and_fit() -> None:
    accounts = ACCOUNTS.with_columns(name=pl.lit("<!channel> & " * 30))
    (notice,) = incident_notices(news(incident(description="<!channel>" * 500)), accounts, "en")
    heading, sentence, _ = notice.payload["blocks"]
    assert "<!" not in sentence["text"]["text"]
    assert "<!" not in notice.payload["text"]
    assert len(sentence["text"]["text"]) <= MOST_IN_SECTION
    assert len(heading["text"]["text"]) <= MOST_IN_HEADER


def test_both_languages_say_the_same_things() -> None:
    english, portuguese = phrases_en.PHRASES, phrases_pt_br.PHRASES
    assert english.keys() == portuguese.keys()
    for key, phrase in english.items():
        assert sorted(placeholders(phrase)) == sorted(placeholders(portuguese[key])), key
