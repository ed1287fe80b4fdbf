import datetime as dt
import itertools
import threading
import uuid

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from ml_assets.errors import UsageError
from ml_assets.frames import Schema
from ml_assets.recommendations.frames import SUSPENSIONS, USER_ACTIONS
from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage.accounts import add_account
from ml_assets.storage.bulk import insert_frame
from ml_assets.storage.keys import NAMESPACE, SEPARATOR, row_ids, table_of
from ml_assets.storage.recommendation_actions import (
    apply_recommendation,
    dismiss_recommendation,
    reopen_recommendation,
)
from ml_assets.storage.recommendations import (
    newest_dates,
    read_recommendations,
    read_suspensions,
    read_user_actions,
)
from ml_assets.storage.tables import MLAnomaly
from ml_assets_tests.storage.recommendations_made import (
    D1,
    NOW,
    advice,
    day,
    detected,
    id_on,
    morning_after,
    states,
    store,
    stored,
)

MARKS = ["applied_at", "applied_by", "dismissed_at", "dismissed_by", "dismissed_reason"]


@pytest.fixture
def connection(engine: sa.Engine):  # noqa: ANN201
    with engine.begin() as connection:
        add_account(connection, AccountInfo("123", "Acme", "BRL", "America/Sao_Paulo", ("lead",)))
        yield connection


# ------------------------------------------------------------------------------------ identity


def test_days_of_the_same_advice_are_one_case_named_by_its_first_date(connection: sa.Connection) -> None:
    store(connection, [1, 2], advice(1), advice(2, first=1))
    rows = stored(connection)
    key = ["ml_recommendations", "1", "ad", "7", "2026-02-02", "PAUSE"]
    assert rows["case_id"].unique().to_list() == [str(uuid.uuid5(NAMESPACE, SEPARATOR.join(key)))]
    assert rows["id"][0] == rows["case_id"][0] != rows["id"][1]


def test_a_second_run_leaves_identical_rows(connection: sa.Connection) -> None:
    rows = [
        advice(1),
        advice(2, first=1),
        advice(2, entity_id="8", blocked_by="learning"),
        detected(1, entity_id="9"),
    ]
    store(connection, [1, 2], *rows)
    dismiss_recommendation(connection, id_on(connection, 1), "ana", morning_after(2), "not now")
    before = stored(connection)
    store(connection, [1, 2], *reversed(rows))
    assert_frame_equal(stored(connection), before)
    store(connection, [2], rows[1], rows[2])
    assert_frame_equal(stored(connection), before)


def test_rows_outside_of_the_partition_are_refused(connection: sa.Connection) -> None:
    with pytest.raises(UsageError, match="outside of the partition"):
        store(connection, [2], advice(1))
    assert stored(connection).is_empty()


def test_only_what_was_asked_for_is_replaced(connection: sa.Connection) -> None:
    store(connection, [1], advice(1), advice(1, entity_id="8"))
    store(connection, [2], advice(2))
    store(connection, [1], entity_ids=["8"])
    assert stored(connection).select("entity_id", "recommendation_date").rows() == [
        ("7", day(1)),
        ("7", day(2)),
    ]


# ------------------------------------------------------------------------ what people do, and runs


@pytest.mark.parametrize("act", ["apply", "dismiss"])
def test_a_run_does_not_take_away_what_a_person_did(connection: sa.Connection, act: str) -> None:
    store(connection, [1, 2], advice(1), advice(2, first=1))
    _act(connection, act, 2)
    before = stored(connection)
    assert set(before["status"]) == {"applied" if act == "apply" else "dismissed"}
    store(connection, [1, 2], advice(1), advice(2, first=1))
    assert_frame_equal(stored(connection), before)


@pytest.mark.parametrize("act", ["apply", "dismiss"])
@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
@pytest.mark.parametrize("after", [1, 2])
def test_all_dates_of_a_case_share_its_state_in_whatever_order_they_are_run(
    connection: sa.Connection, act: str, order: tuple[int, ...], after: int
) -> None:
    for done, number in enumerate(order, 1):
        store(connection, [number], advice(number, first=1))
        if done == after:
            _act(connection, act, order[0])
    rows = stored(connection)
    assert rows.height == 3
    assert rows.select("status", *MARKS).unique().height == 1
    assert rows["status"][0] == ("applied" if act == "apply" else "dismissed")


def test_what_is_not_advised_any_more_is_superseded_and_keeps_who_when_and_why(
    connection: sa.Connection,
) -> None:
    store(connection, [1, 2], advice(1), advice(2, first=1), advice(2, entity_id="8"))
    _act(connection, "dismiss", 1)
    marks = stored(connection).filter(entity_id="7").select("id", *MARKS)
    store(connection, [2])
    assert states(connection) == {1: "dismissed", 2: "superseded"}
    assert_frame_equal(stored(connection).select("id", *MARKS), marks)

    store(connection, [2], advice(2, first=1))
    assert states(connection) == {1: "dismissed", 2: "dismissed"}
    assert_frame_equal(stored(connection).select("id", *MARKS), marks)


def test_force_refresh_replaces_what_is_active_and_nothing_else(connection: sa.Connection) -> None:
    others = [advice(1, entity_id="8"), advice(1, entity_id="9", expires_at=NOW), advice(1, entity_id="6")]
    store(connection, [1], advice(1), *others)
    _act(connection, "dismiss", 1)
    before = stored(connection)
    better = {"title": "Better", "priority": 9}
    again = [advice(1, **better), *({**row, **better} for row in others[:2]), advice(1, entity_id="5")]
    assert store(connection, [1], *again, only_active=True) == 2
    rows = stored(connection)
    assert rows.select("entity_id", "status", "title").rows() == [
        ("5", "active", "Pause ad “7”"),
        ("7", "dismissed", "Pause ad “7”"),
        ("8", "active", "Better"),
        ("9", "expired", "Pause ad “7”"),
    ]
    untouched = pl.col("entity_id").is_in(["7", "9"])
    assert_frame_equal(rows.filter(untouched), before.filter(untouched))


def test_force_refresh_without_the_advice_leaves_the_dismissed_as_dismissed(
    connection: sa.Connection,
) -> None:
    store(connection, [1], advice(1))
    _act(connection, "dismiss", 1)
    store(connection, [1], only_active=True)
    assert states(connection) == {1: "dismissed"}


def test_a_moved_first_date_does_not_bring_back_what_was_dismissed(connection: sa.Connection) -> None:
    store(connection, [1, 2], advice(1), advice(2, first=1))
    _act(connection, "dismiss", 2)
    # Restated figures: the advice of date 1 did not stand, so the case now begins on date 2.
    store(connection, [1, 2], advice(2))
    assert states(connection) == {1: "superseded", 2: "dismissed"}
    store(connection, [3], advice(3, first=2))
    assert states(connection) == {1: "superseded", 2: "dismissed", 3: "dismissed"}


@pytest.mark.parametrize("first", [-3, 2])
def test_a_new_date_inherits_from_rows_that_were_stored_under_another_first_date(
    connection: sa.Connection, first: int
) -> None:
    store(connection, [1, 2], advice(1), advice(2, first=1))
    dismiss_recommendation(connection, id_on(connection, 2), "ana", morning_after(4), "not now")
    store(connection, [3], advice(3, first=first))
    assert stored(connection)["case_id"].n_unique() == 2
    assert states(connection)[3] == "dismissed"


def test_an_older_date_inherits_from_newer_rows_that_were_stored_under_another_first_date(
    connection: sa.Connection,
) -> None:
    store(connection, [3], advice(3, first=1))
    _act(connection, "apply", 3)
    store(connection, [2], advice(2, first=-5))
    assert states(connection) == {2: "applied", 3: "applied"}


def test_advice_that_is_raised_anew_after_a_dismissal_is_a_case_of_its_own(connection: sa.Connection) -> None:
    store(connection, [1, 2], advice(1), advice(2, first=1, blocked_by="plan"))
    _act(connection, "dismiss", 1)
    store(connection, [3], advice(3))
    assert states(connection) == {1: "dismissed", 2: "dismissed", 3: "active"}
    _act(connection, "apply", 3)
    assert states(connection) == {1: "dismissed", 2: "dismissed", 3: "applied"}
    actions = read_user_actions(connection, [1], D1)
    assert actions["action"].to_list() == ["dismissed", "applied"]


def test_advice_that_stands_so_long_that_its_first_date_moves_is_shown_again_once_it_is_raised_anew(
    connection: sa.Connection,
) -> None:
    store(connection, [1, 2, 3], advice(1), advice(2, 1, blocked_by="plan"), advice(3, 1, blocked_by="plan"))
    dismiss_recommendation(connection, id_on(connection, 1), "ana", morning_after(1), "not now")
    store(connection, [4, 5], advice(4, first=3), advice(5, first=3, blocked_by="learning"))
    assert states(connection) == {1: "dismissed", 2: "dismissed", 3: "dismissed", 4: "active", 5: "active"}
    before = stored(connection)
    for number, row in ((5, advice(5, 3, blocked_by="learning")), (4, advice(4, 3))):
        store(connection, [number], row)
    assert_frame_equal(stored(connection), before)


def test_what_is_done_to_a_long_case_is_the_same_after_any_of_its_dates_is_run_again(
    connection: sa.Connection,
) -> None:
    rows = [advice(number, first=max(1, 14 * ((number - 1) // 14))) for number in range(1, 71)]
    store(connection, list(range(1, 71)), *rows)
    _act(connection, "apply", 70)
    before = stored(connection)
    for number in (3, 31, 70):
        store(connection, [number], rows[number - 1])
        assert_frame_equal(stored(connection), before)


# ------------------------------------------------------------------------------------- detected


def test_a_detected_change_applies_the_case_up_to_its_date(connection: sa.Connection) -> None:
    store(connection, [1, 2], advice(1), advice(2, first=1))
    store(connection, [3], detected(3, first=1))
    assert states(connection) == {1: "applied", 2: "applied", 3: "applied"}
    assert set(stored(connection)["applied_by"]) == {"detected"}
    before = stored(connection)
    store(connection, [1], advice(1))
    assert_frame_equal(stored(connection), before)
    store(connection, [4], advice(4))
    assert states(connection)[4] == "active"
    assert read_user_actions(connection, [1], D1).is_empty()


def test_a_change_that_is_not_detected_any_more_leaves_the_case_as_it_was(connection: sa.Connection) -> None:
    store(connection, [1, 2], advice(1), detected(2, first=1), advice(1, entity_id="8"))
    store(connection, [2], advice(2, first=1))
    assert states(connection) == {1: "active", 2: "active"}
    assert stored(connection)["applied_by"].null_count() == 3


def test_a_person_is_believed_before_a_detection(connection: sa.Connection) -> None:
    store(connection, [1], advice(1))
    _act(connection, "apply", 1)
    store(connection, [2], detected(2, first=1))
    store(connection, [2], detected(2, first=1))
    rows = stored(connection)
    assert (rows["status"].unique().to_list(), rows["applied_by"][0]) == (["applied"], "ana")


def test_a_dismissal_outlives_a_detection_that_is_withdrawn(connection: sa.Connection) -> None:
    store(connection, [1], advice(1))
    _act(connection, "dismiss", 1)
    store(connection, [2], detected(2, first=1))
    assert states(connection) == {1: "applied", 2: "applied"}
    assert stored(connection)["dismissed_by"].to_list() == ["ana", "ana"]
    store(connection, [2])
    assert states(connection) == {1: "dismissed", 2: "superseded"}


# ------------------------------------------------------------------------------------- expiring


def test_what_is_over_reads_as_expired_and_is_stored_so_by_the_next_run(connection: sa.Connection) -> None:
    store(connection, [1], advice(1), advice(1, entity_id="8", expires_at=None))
    later = NOW + dt.timedelta(days=30)
    assert states(connection) == {1: "active"}
    assert read_recommendations(connection, [1], now=later)["status"].to_list() == ["expired", "active"]
    assert read_recommendations(connection, statuses=["expired"], now=NOW).is_empty()
    store(connection, [20], now=later)
    assert states(connection) == {1: "expired"}


def test_what_was_dismissed_in_time_stays_dismissed(connection: sa.Connection) -> None:
    store(connection, [1], advice(1))
    _act(connection, "dismiss", 1)
    later = NOW + dt.timedelta(days=30)
    store(connection, [1], advice(1), now=later)
    assert read_recommendations(connection, now=later)["status"].to_list() == ["dismissed"]


# -------------------------------------------------------------------------------------- actions


def test_what_a_person_does_is_logged_once_with_what_was_there_before(connection: sa.Connection) -> None:
    store(connection, [1, 2], advice(1), advice(2, first=1))
    key = id_on(connection, 1)
    first = dismiss_recommendation(connection, key[:8], " ana ", morning_after(2), " not now ")
    again = dismiss_recommendation(connection, key, "bob", morning_after(3), "other reason")
    assert (first.rows, first.row["dismissed_by"], first.row["dismissed_reason"]) == (2, "ana", "not now")
    assert not again.has_changed
    assert again.row["dismissed_by"] == "ana"
    applied = apply_recommendation(connection, id_on(connection, 2), "bob", morning_after(3))
    assert applied.row["status"] == "applied"
    assert not apply_recommendation(connection, key, "eve").has_changed
    assert reopen_recommendation(connection, key, "ana").row["status"] in {"active", "expired"}
    log = connection.execute(sa.text("SELECT action, actor, subject, details FROM ml_audit_log")).all()
    assert sorted(tuple(row[:3]) for row in log) == [
        ("recommendation.apply", "bob", key),
        ("recommendation.dismiss", "ana", key),
        ("recommendation.reopen", "ana", key),
    ]
    assert all("'before': {'status':" in str(row[3]).replace('"', "'") for row in log)


def test_both_deeds_on_a_case_are_told_to_the_next_decision(connection: sa.Connection) -> None:
    sure = {1: 0.9, 2: 0.95, 3: 0.99}
    rows = [advice(number, first=1, confidence_score=score) for number, score in sure.items()]
    store(connection, [1, 2, 3], *rows)
    key = id_on(connection, 1)
    dismiss_recommendation(connection, key, "ana", morning_after(2), "not now")
    apply_recommendation(connection, key, "bob", morning_after(3))
    actions = read_user_actions(connection, [1], D1)
    assert dict(actions.schema) == dict(USER_ACTIONS)
    columns = ["case_id", "action", "at", "by", "reason", "confidence_score"]
    assert actions.select(columns).rows() == [
        (key, "dismissed", morning_after(2), "ana", "not now", 0.95),
        (key, "applied", morning_after(3), "bob", None, 0.99),
    ]
    store(connection, [1, 2, 3], *rows)
    assert_frame_equal(read_user_actions(connection, [1], D1), actions)
    store(connection, [1, 2, 3])
    assert_frame_equal(read_user_actions(connection, [1], D1), actions)
    assert read_user_actions(connection, [1], day(20)).is_empty()
    assert read_user_actions(connection, [2], D1).is_empty()


def test_a_mistake_is_undone_and_the_next_run_does_not_bring_it_back(connection: sa.Connection) -> None:
    store(connection, [1, 2], advice(1), advice(2, first=1))
    before = stored(connection)
    key = id_on(connection, 2)
    for act in ("dismiss", "apply"):
        _act(connection, act, 2)
        assert reopen_recommendation(connection, key, "ana", NOW).row["status"] == "active"
        assert not reopen_recommendation(connection, key, "ana", NOW).has_changed
        store(connection, [1, 2], advice(1), advice(2, first=1))
        assert_frame_equal(stored(connection), before)
    assert read_user_actions(connection, [1], D1).is_empty()


def test_actions_that_make_no_sense_are_refused_with_a_sentence_and_change_nothing(
    connection: sa.Connection,
) -> None:
    store(
        connection, [1, 2], advice(1), advice(1, entity_id="8", expires_at=NOW), detected(1, entity_id="9"),
        advice(2, entity_id="6"), advice(1, entity_id="5"),
    )  # fmt: skip
    _act(connection, "apply", 1)
    of = dict(stored(connection).select("entity_id", "id").rows())
    dismiss_recommendation(connection, of["6"], "ana", NOW, "not now")
    store(connection, [2])
    before = stored(connection)
    refused = [
        (dismiss_recommendation, of["7"], "not now", "was applied by ana .*reopen it first"),
        (dismiss_recommendation, of["7"], "  ", "needs a reason"),
        (dismiss_recommendation, of["9"], "not now", "was seen to be done"),
        (reopen_recommendation, of["9"], None, "nothing to reopen"),
        (apply_recommendation, of["8"], None, "is expired"),
        (dismiss_recommendation, of["8"], "not now", "is expired"),
        (reopen_recommendation, of["8"], None, "is expired"),
        (apply_recommendation, of["6"], None, "is superseded"),
        (apply_recommendation, "00000000", None, "no recommendation 00000000"),
        (apply_recommendation, "abc", None, "first 4 or more"),
        (apply_recommendation, "%%%%%%", None, "not the id"),
    ]
    for act, key, reason, sentence in refused:
        with pytest.raises(UsageError, match=sentence):
            act(connection, key, "ana", NOW, reason)
    for nobody in ("", "detected"):
        with pytest.raises(UsageError, match="not the name of a person"):
            dismiss_recommendation(connection, of["5"], nobody, NOW, "not now")
    assert_frame_equal(stored(connection), before)


def test_a_short_id_that_names_several_cases_is_refused_with_what_it_could_be(
    connection: sa.Connection,
) -> None:
    store(connection, [1], *(advice(1, entity_id=str(number), title=f"Ad {number}") for number in range(400)))
    ids = stored(connection).sort("id").with_columns(start=pl.col("id").str.slice(0, 4))
    twice = ids.filter(pl.col("start").is_duplicated())
    start = twice["start"][0] if twice.height else None
    if start is None:
        pytest.skip("no two of these ids begin alike")
    with pytest.raises(UsageError, match="beginning of several"):
        apply_recommendation(connection, start, "ana")


def test_an_apply_waits_for_a_run_that_replaces_the_partition_and_is_not_lost(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        add_account(connection, AccountInfo("123", "Acme"))
        store(connection, [1], advice(1))
        key = id_on(connection, 1)
    acted = threading.Event()

    def act() -> None:
        with engine.begin() as other:
            apply_recommendation(other, key, "ana", NOW)
        acted.set()

    person = threading.Thread(target=act)
    with engine.begin() as connection:
        store(connection, [1], advice(1))
        person.start()
        assert not acted.wait(0.3)
        store(connection, [2], advice(2, first=1))
    person.join(20)
    with engine.begin() as connection:
        assert states(connection) == {1: "applied", 2: "applied"}


# ---------------------------------------------------------------------------------- other reads


def test_the_newest_date_of_each_account_is_found(connection: sa.Connection) -> None:
    store(connection, [1, 2], advice(1), advice(2, entity_id="8"))
    store(connection, [1], advice(1, config_id=2), config_ids=[2])
    assert newest_dates(connection).rows() == [(1, day(2)), (2, day(1))]


def test_recommendations_are_read_best_first_and_filtered(connection: sa.Connection) -> None:
    store(
        connection, [1, 2], advice(1, entity_id="1", priority=10), advice(2, entity_id="2", priority=3),
        advice(2, entity_id="3", priority=8, blocked_by="learning"),
        advice(2, entity_id="4", priority=3, expected_impact='{"money_per_week":{"value":500}}'),
        advice(2, entity_id="5", priority=3, expected_impact="{}", recommendation_type="CREATIVE_REFRESH"),
    )  # fmt: skip
    rows = read_recommendations(connection, now=NOW)
    assert rows["entity_id"].to_list() == ["3", "4", "2", "5", "1"]
    assert rows["money_per_week"].to_list() == [120.5, 500.0, 120.5, None, 120.5]
    assert read_recommendations(connection, is_blocked=True, now=NOW)["entity_id"].to_list() == ["3"]
    assert read_recommendations(connection, types=["CREATIVE_REFRESH"], now=NOW).height == 1
    assert read_recommendations(connection, [1], day(1), day(1), now=NOW)["entity_id"].to_list() == ["1"]


def test_alerts_about_figures_suspend_their_account_and_level(connection: sa.Connection) -> None:
    schema: Schema = {
        "config_id": pl.Int64(),
        "entity_id": pl.String(),
        "anomaly_type": pl.String(),
        "is_alert": pl.Boolean(),
        "description": pl.String(),
    }
    given = [
        (1, "7", "TRACKING_BREAK", True, "Leads stopped"),
        (1, "8", "TRACKING_BREAK", True, "Pixel is gone"),
        (1, "7", "DATA_QUALITY", False, "Odd"),
        (1, "7", "LEVEL_SHIFT", True, "CPL"),
        (2, "7", "DATA_QUALITY", True, None),
    ]
    rows = pl.DataFrame(given, schema=dict(schema), orient="row").with_columns(
        entity_type=pl.lit("ad"), anomaly_date=pl.lit(D1), metric_name=pl.lit("leads")
    )
    insert_frame(connection, table_of(MLAnomaly), rows.with_columns(row_ids(rows, "ml_anomalies")))
    found = read_suspensions(connection, D1, day(2), [1, 2])
    assert dict(found.schema) == dict(SUSPENSIONS)
    assert found.rows() == [
        (1, "ad", D1, "tracking", "Leads stopped"),
        (2, "ad", D1, "data_quality", "leads"),
    ]
    assert read_suspensions(connection, day(2), day(3), [1, 2]).is_empty()


def _act(connection: sa.Connection, act: str, number: int) -> None:
    do = apply_recommendation if act == "apply" else dismiss_recommendation
    do(connection, id_on(connection, number), "ana", morning_after(3), "not now")
