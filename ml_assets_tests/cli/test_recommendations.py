import datetime as dt
import getpass
import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from ml_assets.cli.why import FAR, MISSING, NOT_ASKED, find_entity, verdict
from ml_assets.errors import UsageError
from ml_assets.recommendations.explain import NOT_DELIVERED, NOT_PAUSED, NOT_RUNNING, TOO_LITTLE, UNSURE
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.rules import RULES
from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage.accounts import add_account
from ml_assets.storage.engine import create_engine
from ml_assets_tests.cli.conftest import Cli
from ml_assets_tests.storage.frames_of import entities, entity
from ml_assets_tests.storage.recommendations_made import advice, detected, store, stored

LONG_AGO = dt.datetime(2026, 2, 3, 9, tzinfo=dt.UTC)
FOREVER = dt.datetime(2126, 1, 1, 3, tzinfo=dt.UTC)
"""Midnight of the first day of a year in São Paulo."""


class Database:
    """Recommendations of account 1 that are not over yet."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        with engine.begin() as connection:
            add_account(connection, AccountInfo("123", "Clinic [BR]", "BRL", "America/Sao_Paulo", ("lead",)))

    def store(self, dates: list[int], *rows: dict[str, Any], **options: Any) -> None:
        lasting = [{**row, "expires_at": row.get("until", FOREVER)} for row in rows]
        for row in lasting:
            row.pop("until", None)
        with self.engine.begin() as connection:
            store(connection, dates, *lasting, now=LONG_AGO, **options)

    def rows(self) -> pl.DataFrame:
        with self.engine.begin() as connection:
            return stored(connection)

    def id_of(self, entity_id: str) -> str:
        return str(self.rows().filter(entity_id=entity_id).sort("recommendation_date")["id"][-1])


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    engine = create_engine(database_url)
    yield Database(engine)
    engine.dispose()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    engine = create_engine(sqlite_url)
    yield Database(engine)
    engine.dispose()


# ------------------------------------------------------------------------------------------ list


def test_the_plan_is_what_is_issued_on_the_newest_day_best_first(cli: Cli, database: Database) -> None:
    database.store([1], advice(1, entity_id="1", title="Yesterday's"))
    database.store(
        [2],
        advice(2, entity_id="2", title="Second best", priority=4),
        advice(2, entity_id="3", title="Pause [best]", priority=9),
        advice(2, entity_id="4", title="Held back", blocked_by="learning"),
    )
    listed = cli("recommendations", "list").out
    assert listed.splitlines()[0] == "Clinic [BR]: to do, 2026-02-03 (money in BRL, a week)"
    assert listed.index("Pause [best]") < listed.index("Second best")
    assert "Yesterday's" not in listed
    assert "Held back" not in listed
    first = listed.splitlines()[2].split()
    assert first[0] == database.id_of("3")[:8]
    assert first[-4:] == ["%", "120.50", "120.50", "2125-12-31"]

    blocked = cli("recommendations", "list", "--blocked").out
    assert "Held back" in blocked
    assert "learning" in blocked
    assert "Second best" not in blocked
    assert "Yesterday's" in cli("recommendations", "list", "--date", "2026-02-02").out


def test_the_list_as_json_has_everything(sqlite_cli: Cli, sqlite_database: Database) -> None:
    sqlite_database.store([1], advice(1), advice(1, entity_id="8", recommendation_type="CREATIVE_REFRESH"))
    out = sqlite_cli("recommendations", "list", "--json", "--type", "pause", "--level", "ads").out
    (document,) = json.loads(out)
    assert document["id"] == sqlite_database.id_of("7")
    assert document["suggested_action"] == {"action": "pause"}
    assert document["expires_at"] == FOREVER.isoformat()
    assert json.loads(sqlite_cli("recommendations", "list", "--json", "--level", "adset").out) == []


def test_what_is_over_is_not_in_the_plan(sqlite_cli: Cli, sqlite_database: Database) -> None:
    sqlite_database.store([1], advice(1, until=LONG_AGO + dt.timedelta(days=1)))
    outcome = sqlite_cli("recommendations", "list")
    assert (outcome.exit_code, outcome.out) == (0, "")
    assert "Clinic [BR]: nothing to do." in outcome.err
    over = sqlite_cli("recommendations", "list", "--status", "expired").out
    assert over.startswith("Clinic [BR]: expired")
    assert "2026-02-04" in over


def test_without_any_recommendation_the_command_says_what_is_missing(
    sqlite_cli: Cli, sqlite_database: Database
) -> None:
    assert sqlite_database.rows().is_empty()
    refused = sqlite_cli("recommendations", "list")
    assert refused.exit_code == 5
    assert "Nothing has been recommended yet" in refused.err


@pytest.mark.parametrize(("option", "value"), [("--type", "STOP"), ("--status", "open"), ("--level", "page")])
def test_an_unknown_word_is_answered_with_those_there_are(
    sqlite_cli: Cli, sqlite_database: Database, option: str, value: str
) -> None:
    sqlite_database.store([1], advice(1))
    refused = sqlite_cli("recommendations", "list", option, value)
    assert refused.exit_code == 2
    assert option in refused.err


# --------------------------------------------------------------------------------------- actions


def test_a_person_applies_dismisses_and_reopens_by_the_short_id(cli: Cli, database: Database) -> None:
    database.store([1, 2], advice(1), advice(2, first=1), advice(2, entity_id="8"))
    pause, other = database.id_of("7")[:8], database.id_of("8")[:8]

    applied = cli("recommendations", "apply", pause)
    assert applied.exit_code == 0
    assert f"applied, by {getpass.getuser()} on " in applied.out
    assert database.rows().filter(entity_id="7")["status"].to_list() == ["applied", "applied"]
    assert cli("recommendations", "apply", pause).err == "It was like that already; nothing has changed.\n"

    refused = cli("recommendations", "dismiss", other)
    assert refused.exit_code == 2
    assert "--reason" in refused.err
    dismissed = cli("recommendations", "dismiss", other, "--reason", "not now", "--by", "Ana")
    assert "dismissed, by Ana on" in dismissed.out
    assert dismissed.out.endswith(": not now.\n")

    plan = cli("recommendations", "list")
    assert "nothing to do" in plan.err
    history = cli("recommendations", "list", "--status", "applied,dismissed").out
    assert (history.count(pause), history.count(other)) == (1, 1)

    assert "active until 2125-12-31" not in cli("recommendations", "list").out
    assert cli("recommendations", "reopen", other).out.startswith(f"{other} ")
    assert other in cli("recommendations", "list").out


def test_what_cannot_be_done_is_one_sentence(sqlite_cli: Cli, sqlite_database: Database) -> None:
    sqlite_database.store([1], detected(1))
    key = sqlite_database.id_of("7")
    for words in (
        ("apply", "ffffffff"),
        ("dismiss", key, "--reason", "not now"),
        ("dismiss", key, "--reason", " "),
        ("reopen", key),
    ):
        refused = sqlite_cli("recommendations", *words)
        assert refused.exit_code == 2
        assert refused.err.startswith("Error: ")
        assert refused.err.count("\n") == 1


# ------------------------------------------------------------------------------------------- why


def test_an_entity_is_found_by_id_name_or_part_of_a_name() -> None:
    known = entities(
        entity("campaign", "1", name="Leads [cold]"),
        entity("adset", "11", "1", name="Women 25+"),
        entity("ad", "111", "11", name="Video"),
        entity("ad", "112", "11", name="Video 2"),
    )
    for wanted, found in (
        ("11", "11"),
        ("women 25+", "11"),
        ("VIDEO", "111"),
        ("[cold", "1"),
        ("o 2", "112"),
    ):
        assert find_entity(known, wanted)["entity_id"] == found
    with pytest.raises(UsageError, match="may mean 2 entities: ad 111 Video; ad 112 Video 2"):
        find_entity(known, "vide")
    for nothing in ("", "Foto"):
        with pytest.raises(UsageError):
            find_entity(known, nothing)


def test_a_verdict_says_how_far_a_rule_is() -> None:
    rule = {
        "is_in_force": False, "is_met": False, "blocked_by": None, "plan_reason": None, "probability": 0.9,
        "enters_at": 0.95, "condition": None, "needs_leads": 3.0, "needs_spend": 150.0,
        "recommendation_type": "PAUSE",
    }  # fmt: skip
    assert verdict(rule) == (
        "not met: 5.0 points short; decided after about 3 more leads or 150.00 more spend at the present rate"
    )
    assert verdict({**rule, "is_in_force": True}) == "advised"
    held = {**rule, "is_in_force": True, "blocked_by": "plan", "plan_reason": "below_the_fold"}
    assert verdict(held).startswith("holds, but held back by plan: the day's list is full")
    unknown = {**rule, "probability": None, "condition": "too_little_data", "needs_leads": None}
    assert verdict(unknown) == "cannot be told: too little data"
    assert verdict({**rule, "condition": "not_running"}) == "not asked: it does not run"
    cut = {**rule, "is_in_force": True, "recommendation_type": "BUDGET_DECREASE"}
    assert verdict(cut, {"PAUSE", "BUDGET_DECREASE"}) == "holds, but gives way to PAUSE"


def test_every_condition_of_a_rule_has_words() -> None:
    named = {condition.name for rule in RULES for condition in rule.judge(Policy()).conditions}
    own = {NOT_RUNNING, NOT_PAUSED, NOT_DELIVERED, TOO_LITTLE, UNSURE}
    assert named | own == {*NOT_ASKED, *MISSING, *filter(None, FAR)}
