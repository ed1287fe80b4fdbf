"""The words of the daily digest: what is told in full, what is counted, and that any digest can be sent."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.entities import EntityType
from ml_assets.frames import Schema
from ml_assets.notices.digest import LANGUAGES, digest_notice
from ml_assets.notices.digest_rows import (
    DIGEST_ACCOUNTS,
    LACKS,
    MOVED,
    PACED,
    TO_DO,
    TOLD_INCIDENTS,
    DigestRows,
    Lacking,
)
from ml_assets.notices.message import MOST_BLOCKS, MOST_IN_HEADER, MOST_IN_SECTION, Notice
from ml_assets.notices.plain import plain_text
from ml_assets.words.phrases import placeholders

D = dt.date(2026, 2, 2)

ACCOUNT = {"config_id": 1, "name": "Clinic", "currency": "BRL"}
PAUSE = {"config_id": 1, "title": "Pause ad 'Reel'", "probability": 0.974, "money_per_week": 374.2}
MOVE = {
    "config_id": 1, "entity_type": "ad", "name": "'Reel'", "tier": "LOW", "previous_tier": "MODERATE",
    "direction": "down", "spend": 300.0,
}  # fmt: skip
INCIDENT = {"config_id": 1, "sentence": "CPM has doubled.", "is_new": False, "is_over": False}
MONTH = {
    "config_id": 1, "day": 24, "days_left": 4, "days_ahead": 4, "spend_to_date": 9000.0,
    "leads_to_date": 300.0, "spend_ahead": 1500.0, "spend_lower_80": 1300.0, "spend_upper_80": 1800.0,
    "leads_ahead": 50.0, "leads_lower_80": 40.0, "leads_upper_80": 65.0, "budget": None,
}  # fmt: skip


def frame(rows: Sequence[dict[str, Any]], schema: Schema) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=dict(schema), orient="row")


def rows_of(accounts: Sequence[dict[str, Any]] = (ACCOUNT,), **parts: Sequence[dict[str, Any]]) -> DigestRows:
    schemas = {"to_do": TO_DO, "moved": MOVED, "incidents": TOLD_INCIDENTS, "pacing": PACED, "lacks": LACKS}
    return DigestRows(
        frame(accounts, DIGEST_ACCOUNTS),
        **{name: frame(parts.get(name, ()), schema) for name, schema in schemas.items()},
    )


def told(language: str = "en", **parts: Any) -> str:
    return plain_text(digest_notice(rows_of(**parts), D, language))


def test_the_phone_shows_what_is_to_do_what_is_open_and_of_how_many_accounts() -> None:
    rows = rows_of(
        [ACCOUNT, {**ACCOUNT, "config_id": 2}],
        to_do=[PAUSE] * 3,
        incidents=[INCIDENT, {**INCIDENT, "is_over": True}],
    )
    notice = digest_notice(rows, D, "en")
    assert notice.text == "2026-02-02: 3 things to do, 1 open incident, 2 accounts."
    assert (notice.key, notice.kind) == ("digest|2026-02-02", "digest")
    assert (
        digest_notice(rows_of(), D, "pt-BR").text
        == "2026-02-02: nada a fazer, nenhum incidente aberto, 1 conta."
    )


def test_the_first_three_are_told_and_the_others_counted() -> None:
    spends = [{**MOVE, "name": f"'{number}'", "spend": 900.0 - number} for number in range(5)]
    text = told(
        to_do=[{**PAUSE, "title": f"Pause ad {number}"} for number in range(5)],
        moved=[*spends, {**MOVE, "direction": "up"}],
        incidents=[{**INCIDENT, "is_new": True}, *[INCIDENT] * 3, {**INCIDENT, "is_over": True}],
    )
    assert "• Pause ad 2 (97.4% sure, R$374 a week)\n• and 2 more\n" in text
    assert "Pause ad 3" not in text
    assert "Tiers: 1 up, 5 down.\n• Ad '0': low, was moderate (R$900 in 14 days)\n" in text
    assert "'3'" not in text
    assert "4 open incidents, 1 of them new, 1 incident is over:\n• New: CPM has doubled.\n• CPM" in text
    assert text.count("CPM has doubled.") == 3


def test_what_is_not_known_is_not_told_and_nothing_is_called_certain() -> None:
    text = told(
        to_do=[
            {**PAUSE, "probability": 1.0, "money_per_week": None},
            {**PAUSE, "probability": None, "money_per_week": None},
        ]
    )
    assert "• Pause ad 'Reel' (99.9% sure)\n• Pause ad 'Reel'" in text
    assert "None" not in text


def test_a_quiet_day_is_one_line_but_a_day_that_was_not_judged_is_not_quiet() -> None:
    assert told().splitlines() == [
        "Daily digest: Feb 2, 2026",
        "",
        "Clinic",
        "A quiet day: nothing to do, no tier moved, no incident is open.",
    ]
    missing = told(lacks=[{"config_id": 1, "what": what.value} for what in Lacking])
    assert "quiet" not in missing
    assert "Nothing to do" not in missing
    assert "The plan of this day has not been made.\nThis day has not been judged.\n" in missing


def test_levels_that_were_waited_for_in_vain_are_named_above_all() -> None:
    notice = digest_notice(rows_of(), D, "en", late=[EntityType.ADSET, EntityType.AD])
    assert "Not there yet: the recommendations of ad sets, ads." in plain_text(notice)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {},
            "Day 24 of 28: R$9,000 spent, 300 leads so far; the month ends at about R$10,500 "
            "(R$10,300 to R$10,800) and 350 leads (340 to 365).",
        ),
        (
            {"budget": 10_000.0},
            "Day 24 of 28: R$9,000 spent, 300 leads so far; the month ends at about R$10,500 "
            "(R$10,300 to R$10,800) and 350 leads (340 to 365), 105% of the budget of R$10,000.",
        ),
        (
            {"day": 3, "days_left": 25, "budget": 90_000.0},
            "Day 3 of 28: R$9,000 spent, 300 leads so far, 10% of the budget of R$90,000; the next 4 days "
            "bring about R$1,500 of spend (R$1,300 to R$1,800) and 50 leads (40 to 65).",
        ),
        (
            {"days_left": 0, "days_ahead": 0, "day": 28, "leads_to_date": 1.0},
            "The month is over: R$9,000 spent, 1 lead.",
        ),
        (
            {"days_ahead": 0, "spend_ahead": None, "leads_ahead": None},
            "Day 24 of 28: R$9,000 spent, 300 leads so far.",
        ),
    ],
    ids=["lands", "budget", "early", "over", "nothing foreseen"],
)
def test_the_month_is_told_as_far_as_it_is_foreseen(values: dict[str, Any], sentence: str) -> None:
    assert told(pacing=[{**MONTH, **values}]).splitlines()[-1] == sentence


def test_ten_accounts_are_told_in_full_and_the_others_named() -> None:
    accounts = [{**ACCOUNT, "config_id": number, "name": f"Clinic {number}"} for number in range(12)]
    text = told(accounts=accounts)
    assert text.count("A quiet day") == 10
    assert text.endswith("2 more accounts: nothing more pressing.\nClinic 10, Clinic 11")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_phrase_with_the_same_places(language: str) -> None:
    english, own = LANGUAGES["en"].phrases, LANGUAGES[language].phrases
    assert list(own) == list(english)
    for key, phrase in english.items():
        assert sorted(placeholders(own[key])) == sorted(placeholders(phrase)), key


def sizes(notice: Notice) -> None:
    """Slack takes it."""
    assert 1 <= len(notice.blocks) <= MOST_BLOCKS
    for block in notice.blocks:
        texts = block["elements"] if block["type"] == "context" else [block["text"]]
        assert 1 <= len(texts) <= 10
        most = MOST_IN_HEADER if block["type"] == "header" else MOST_IN_SECTION
        assert all(1 <= len(text["text"]) <= most for text in texts)
        if block["type"] != "header":
            assert "<" not in "".join(text["text"] for text in texts)
    json.dumps(notice.payload)


NAMES = st.one_of(
    st.text(max_size=255),
    st.sampled_from(["&" * 255, "<!channel>" * 25, "🎉" * 255, "", " \n", "a & b <@U1>", "👩‍👩‍👧" * 51]),
)
NUMBERS = st.one_of(st.none(), st.floats(-1e12, 1e12))


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=14),
    lengths=st.tuples(*[st.integers(0, 6)] * 3),
    number=NUMBERS,
    probability=st.one_of(st.none(), st.floats(0, 1)),
    currency=st.sampled_from([None, "BRL", "JPY", "XXX"]),
    lacks=st.sets(st.sampled_from(list(Lacking))),
    language=st.sampled_from(list(LANGUAGES)),
    is_new=st.booleans(),
)
def test_whatever_the_names_are_the_message_can_be_sent(
    names: list[str],
    lengths: tuple[int, int, int],
    number: float | None,
    probability: float | None,
    currency: str | None,
    lacks: set[Lacking],
    language: str,
    is_new: bool,
) -> None:
    keys = range(len(names))
    accounts = [{"config_id": key, "name": names[key], "currency": currency} for key in keys]
    own = [(key, names[key]) for key in keys]
    to_do = [
        {"config_id": key, "title": name, "probability": probability, "money_per_week": number}
        for key, name in own
        for _ in range(lengths[0])
    ]
    moved = [{**MOVE, "config_id": key, "name": name, "spend": number} for key, name in own] * lengths[1]
    incidents = [
        {"config_id": key, "sentence": name * 5, "is_new": is_new, "is_over": place == 1}
        for key, name in own
        for place in range(lengths[2])
    ]
    pacing = [{**MONTH, "config_id": key, "spend_ahead": number, "budget": number} for key, _ in own]
    lacking = [{"config_id": key, "what": what.value} for key, _ in own for what in lacks]
    rows = rows_of(accounts, to_do=to_do, moved=moved, incidents=incidents, pacing=pacing, lacks=lacking)
    sizes(digest_notice(rows, D, language, late=tuple(EntityType)))


@pytest.mark.parametrize("name", ["&" * 255, "<!channel> 🎉 & " * 15, "Clinic"])
def test_a_thousand_accounts_are_one_message(name: str) -> None:
    keys = range(1000)
    rows = rows_of(
        [{"config_id": key, "name": name, "currency": "BRL"} for key in keys],
        to_do=[{**PAUSE, "config_id": key, "title": name} for key in keys] * 5,
        moved=[{**MOVE, "config_id": key, "name": name} for key in keys] * 5,
        incidents=[{**INCIDENT, "config_id": key, "sentence": name * 8} for key in keys] * 5,
    )
    notice = digest_notice(rows, D, "en")
    sizes(notice)
    assert notice.text == "2026-02-02: 5,000 things to do, 5,000 open incidents, 1,000 accounts."
    assert "990 more accounts: nothing more pressing." in plain_text(notice)


def test_markup_in_a_name_reads_in_the_terminal_as_it_is_written() -> None:
    text = told(to_do=[{**PAUSE, "title": "Pause <!channel> & &amp; co"}])
    assert "• Pause <!channel> & &amp; co (" in text
