import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from ml_assets.errors import UsageError
from ml_assets.recommendations.policy import Policy
from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage.accounts import add_account
from ml_assets.storage.keys import table_of
from ml_assets.storage.policies import policy_history, read_policies, reset_thresholds, set_thresholds
from ml_assets.storage.tables import MLAuditLog, MLPolicy
from ml_assets_tests.recommendations.policies_made import overrides_made

FIRST, SECOND = 1, 2


@pytest.fixture
def accounts(engine: sa.Engine) -> sa.Engine:
    """A database with the accounts 1 and 2."""
    with engine.begin() as connection:
        for number, config_id in (("11", FIRST), ("22", SECOND)):
            assert add_account(connection, AccountInfo(number, f"Account {number}")) == config_id
    return engine


def change(engine: sa.Engine, config_id: int | None, by: str = "ana", **overrides: float) -> Policy:
    with engine.begin() as connection:
        return set_thresholds(connection, config_id, overrides, by)


def reset(engine: sa.Engine, config_id: int | None, *names: str) -> Policy:
    with engine.begin() as connection:
        return reset_thresholds(connection, config_id, names or None, "ana")


def in_force(engine: sa.Engine) -> dict[int, Policy]:
    with engine.connect() as connection:
        return read_policies(connection, [FIRST, SECOND])


def write_by_hand(engine: sa.Engine, config_id: int | None, thresholds: object, **columns: Any) -> None:
    """A row as a person writes it with SQL; `thresholds` as JSON text where it is a text."""
    text = thresholds if isinstance(thresholds, str) else json.dumps(thresholds)
    values = {"id": f"by-hand-{config_id}-{len(text)}", "config_id": config_id, "version": "1", **columns}
    names = ", ".join([*values, "thresholds"])
    places = ", ".join(f":{name}" for name in [*values, "thresholds"])
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"INSERT INTO ml_policies ({names}) VALUES ({places})"), {**values, "thresholds": text}
        )


def audit_log(engine: sa.Engine) -> list[dict[str, Any]]:
    table = table_of(MLAuditLog)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table).order_by(table.c.at)).mappings()]


# -------------------------------------------------------------------------------------- in force


def test_without_overrides_every_account_has_the_defaults(accounts: sa.Engine) -> None:
    assert in_force(accounts) == {FIRST: Policy(), SECOND: Policy()}
    with accounts.connect() as connection:
        assert read_policies(connection, []) == {}


def test_an_accounts_own_thresholds_lie_over_those_of_all_accounts(accounts: sa.Engine) -> None:
    change(accounts, None, pause=0.9, winner=0.98)
    change(accounts, None, maturity=0.7)
    returned = change(accounts, SECOND, pause=0.97)
    policies = in_force(accounts)
    assert (policies[FIRST].pause, policies[FIRST].winner, policies[FIRST].maturity) == (0.9, 0.98, 0.7)
    assert (policies[SECOND].pause, policies[SECOND].winner, policies[SECOND].maturity) == (0.97, 0.98, 0.7)
    assert policies[FIRST].version == "1+all:2"
    assert policies[SECOND].version == "1+all:2+account:1"
    assert returned == policies[SECOND]


def test_policies_of_any_number_of_accounts_are_read_in_one_query(accounts: sa.Engine) -> None:
    change(accounts, None, pause=0.9)
    change(accounts, FIRST, pause=0.97)
    statements: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "ml_policies" in statement:
            statements.append(statement)

    sa.event.listen(accounts, "before_cursor_execute", count)
    in_force(accounts)
    # COPY, the way out of PostgreSQL, goes past SQLAlchemy's events.
    assert len(statements) == (1 if accounts.dialect.name == "sqlite" else 0)


def test_what_a_loader_writes_with_plain_sql_is_in_force(accounts: sa.Engine) -> None:
    write_by_hand(accounts, FIRST, {"pause": 0.9}, created_at="2026-01-01 10:00:00")
    write_by_hand(accounts, FIRST, {"pause": 0.8, "winner": 1}, version="b", created_at="2026-01-02 10:00:00")
    write_by_hand(
        accounts, FIRST, {"pause": 0.7001}, version="c", created_at="2026-01-03 10:00:00", is_active=False
    )
    policy = in_force(accounts)[FIRST]
    assert (policy.pause, policy.winner, policy.version) == (0.8, 1, "1+account:b")
    change(accounts, FIRST, maturity=0.7)
    policy = in_force(accounts)[FIRST]
    assert (policy.pause, policy.maturity, policy.version) == (0.8, 0.7, "1+account:2")


@pytest.mark.parametrize("text", ["null", "{}"])
def test_a_version_without_thresholds_leaves_the_defaults(accounts: sa.Engine, text: str) -> None:
    write_by_hand(accounts, FIRST, text)
    assert in_force(accounts)[FIRST] == Policy()


# -------------------------------------------------------------------------------------- changes


def test_a_change_is_a_new_version_and_the_old_ones_stay(accounts: sa.Engine) -> None:
    before = dt.datetime.now(dt.UTC)
    change(accounts, FIRST, "ana", pause=0.9)
    change(accounts, FIRST, "bia", winner=0.98)
    with accounts.connect() as connection:
        history = policy_history(connection, [FIRST])
    assert history.select("config_id", "version", "is_active", "created_by").rows() == [
        (FIRST, "1", False, "ana"),
        (FIRST, "2", True, "bia"),
    ]
    assert [json.loads(text) for text in history["thresholds"]] == [
        {"pause": 0.9},
        {"pause": 0.9, "winner": 0.98},
    ]
    assert before <= history["created_at"][0] <= history["created_at"][1] <= dt.datetime.now(dt.UTC)


def test_the_audit_log_says_who_changed_what_from_what(accounts: sa.Engine) -> None:
    change(accounts, FIRST, "ana", pause=0.9, winner=0.98)
    change(accounts, FIRST, "bia", pause=0.91, winner=0.98)
    reset(accounts, FIRST, "pause")
    first, second, third = audit_log(accounts)
    assert (first["actor"], first["action"], first["config_id"], first["subject"]) == (
        "ana",
        "policy.set",
        FIRST,
        "version 1",
    )
    assert second["details"] == {"before": {"pause": 0.9}, "after": {"pause": 0.91}}
    assert (third["action"], third["details"]) == (
        "policy.reset",
        {"before": {"pause": 0.91}, "after": {"pause": None}},
    )


def test_setting_what_stands_already_writes_nothing(accounts: sa.Engine) -> None:
    change(accounts, FIRST, pause=0.9)
    assert change(accounts, FIRST, pause=0.9).version == "1+account:1"
    assert len(audit_log(accounts)) == 1


def test_a_default_can_be_pinned_against_what_is_set_for_all_accounts(accounts: sa.Engine) -> None:
    change(accounts, FIRST, pause=Policy().pause)
    change(accounts, None, pause=0.9)
    policies = in_force(accounts)
    assert (policies[FIRST].pause, policies[SECOND].pause) == (Policy().pause, 0.9)


def test_reset_takes_back_single_thresholds_or_all_of_them(accounts: sa.Engine) -> None:
    change(accounts, None, pause=0.9)
    change(accounts, FIRST, pause=0.97, winner=0.98, maturity=0.7)
    assert reset(accounts, FIRST, "pause", "winner").version == "1+all:1+account:2"
    policy = in_force(accounts)[FIRST]
    assert (policy.pause, policy.winner, policy.maturity) == (0.9, Policy().winner, 0.7)
    assert reset(accounts, FIRST) == in_force(accounts)[FIRST] == in_force(accounts)[SECOND]
    assert reset(accounts, None) == Policy()
    written = len(audit_log(accounts))
    assert reset(accounts, None) == Policy()
    assert len(audit_log(accounts)) == written


@pytest.mark.parametrize(
    ("attempt", "complaint"),
    [
        (lambda engine: change(engine, FIRST, pauze=0.9), "Did you mean pause"),
        (lambda engine: change(engine, FIRST, pause=90), "from 0 to 1"),
        (lambda engine: change(engine, FIRST, pause_cpl=1.1), "must not be above"),
        (lambda engine: change(engine, 7, pause=0.9), "no account with config_id 7"),
        (lambda engine: change(engine, FIRST), "NAME=VALUE"),
        (lambda engine: change(engine, FIRST, " ", pause=0.9), "who"),
        (lambda engine: reset(engine, FIRST, "maturity"), "set for all accounts: leave out --account"),
        (lambda engine: reset(engine, FIRST, "edit_hours"), "nothing to take back"),
        (lambda engine: reset(engine, FIRST, "winer"), "Did you mean winner"),
        (lambda engine: reset(engine, FIRST, "child_pause_cpl"), "must not be above"),
        (lambda engine: reset(engine, 7), "no account with config_id 7"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    accounts: sa.Engine, attempt: Callable[[sa.Engine], Policy], complaint: str
) -> None:
    change(accounts, None, maturity=0.7)
    change(accounts, FIRST, pause_cpl=3.0, child_pause_cpl=3.5, winner=0.98)
    before, written = in_force(accounts), len(audit_log(accounts))
    with pytest.raises(UsageError, match=complaint):
        attempt(accounts)
    assert in_force(accounts) == before
    assert len(audit_log(accounts)) == written


def test_a_change_for_all_accounts_may_not_break_the_own_thresholds_of_one(accounts: sa.Engine) -> None:
    change(accounts, SECOND, child_pause_cpl=1.8)
    with pytest.raises(UsageError, match=r"account 2 .*pause_cpl \(1\.9\) must not be above child_pause_cpl"):
        change(accounts, None, pause_cpl=1.9)
    assert in_force(accounts)[FIRST] == Policy()
    change(accounts, SECOND, child_pause_cpl=2.5)
    change(accounts, None, pause_cpl=1.9)
    with pytest.raises(UsageError, match=r"account 2 .*must not be above"):
        change(accounts, None, pause_cpl=2.6, child_pause_cpl=2.6)


def test_changes_made_at_the_same_time_are_all_kept(accounts: sa.Engine) -> None:
    values = {"pause": 0.9, "winner": 0.98, "maturity": 0.7, "edit_hours": 96.0}
    with ThreadPoolExecutor(len(values)) as pool:
        list(pool.map(lambda item: change(accounts, FIRST, **{item[0]: item[1]}), values.items()))
    assert in_force(accounts)[FIRST] == Policy().changed(values, "1+account:4")


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(common=overrides_made(), own=overrides_made())
def test_any_valid_override_comes_back_as_it_was_set_and_goes_when_it_is_reset(
    accounts: sa.Engine, common: dict[str, float], own: dict[str, float]
) -> None:
    with accounts.connect() as connection, connection.begin() as transaction:
        set_thresholds(connection, FIRST, own, "ana")
        assert read_policies(connection, [FIRST])[FIRST] == Policy().changed(own, "1+account:1")
        reset_thresholds(connection, FIRST, list(own), "ana")
        assert read_policies(connection, [FIRST])[FIRST] == Policy()
        set_thresholds(connection, None, common, "ana")
        assert read_policies(connection, [FIRST])[FIRST] == Policy().changed(common, "1+all:1")
        transaction.rollback()


# -------------------------------------------------------------------------------------- by hand


BAD = [
    ({"pauze": 0.9}, r"account 1 \(version 1\).*no threshold pauze\. Did you mean pause\?"),
    ({"pause": 95}, r"account 1 \(version 1\).*threshold pause is a number from 0 to 1 .*not 95"),
    ({"pause": "0.9"}, r"account 1 .*threshold pause .*not '0\.9'"),
    ({"pause": None}, r"account 1 .*threshold pause .*not None"),
    ({"pause_cpl": 1.1}, r"account 1 .*budget_decrease_cpl .*must not be above pause_cpl"),
    ([0.9], r"account 1 \(version 1\) cannot be read: .*not an object"),
    ("0.9", r"account 1 \(version 1\) cannot be read: .*not an object"),
]


@pytest.mark.parametrize(("thresholds", "complaint"), BAD, ids=lambda value: str(value)[:25])
def test_what_was_stored_wrong_by_hand_is_an_error_that_says_what_to_do(
    accounts: sa.Engine, thresholds: object, complaint: str
) -> None:
    write_by_hand(accounts, FIRST, thresholds)
    with pytest.raises(UsageError, match=rf"{complaint}.*ml-assets policy reset.* --account 1"):
        in_force(accounts)
    with accounts.connect() as connection:
        assert read_policies(connection, [SECOND]) == {SECOND: Policy()}
        assert policy_history(connection).height == 1


@pytest.mark.parametrize("thresholds", [bad for bad, _ in BAD], ids=lambda value: str(value)[:25])
def test_reset_repairs_whatever_was_stored(accounts: sa.Engine, thresholds: object) -> None:
    write_by_hand(accounts, FIRST, thresholds)
    write_by_hand(accounts, None, thresholds)
    assert reset(accounts, None) == Policy()
    assert reset(accounts, FIRST) == Policy()
    assert set(in_force(accounts).values()) == {Policy()}


def test_text_that_is_no_json_is_named_where_the_database_lets_it_in(sqlite_url: str) -> None:
    engine = sa.create_engine(sqlite_url)
    with engine.begin() as connection:
        add_account(connection, AccountInfo("11", "Account"))
    write_by_hand(engine, FIRST, "{pause: 0.9}")
    for attempt in (in_force, lambda engine: change(engine, FIRST, pause=0.9)):
        with pytest.raises(UsageError, match=r"account 1 \(version 1\) cannot be read: .*policy reset"):
            attempt(engine)
    assert reset(engine, FIRST) == Policy()
    engine.dispose()


def test_a_wrong_stored_threshold_is_repaired_by_setting_or_resetting_it_alone(accounts: sa.Engine) -> None:
    write_by_hand(accounts, FIRST, {"pause": 95, "winer": 0.98, "maturity": 0.7})
    with pytest.raises(UsageError, match=r"stored for account 1 .*winer"):
        change(accounts, FIRST, pause=0.95)
    with pytest.raises(UsageError, match="threshold pause"):
        reset(accounts, FIRST, "winer")
    assert reset(accounts, FIRST, "winer", "pause").maturity == 0.7
    with accounts.begin() as connection:
        connection.execute(sa.delete(table_of(MLPolicy)))
    write_by_hand(accounts, FIRST, {"pause": 95, "maturity": 0.7})
    policy = change(accounts, FIRST, pause=0.9)
    assert (policy.pause, policy.maturity) == (0.9, 0.7)
    write_by_hand(accounts, SECOND, {"winer": 0.98, "maturity": 0.7})
    assert reset(accounts, SECOND, "winer").maturity == 0.7


def test_what_is_wrong_for_all_accounts_says_so_for_every_account(accounts: sa.Engine) -> None:
    write_by_hand(accounts, None, {"pause": 95})
    with pytest.raises(UsageError, match=r"all accounts \(version 1\).*`ml-assets policy reset NAME`"):
        in_force(accounts)
    with pytest.raises(UsageError, match="all accounts"):
        change(accounts, FIRST, winner=0.98)
    change(accounts, None, pause=0.95)
    assert in_force(accounts)[FIRST].version == "1+all:2"
