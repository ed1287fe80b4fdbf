"""Whatever people and runs do in whatever order: nothing that a person did is lost."""

import datetime as dt
from typing import Any

import polars as pl
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ml_assets.storage.recommendation_actions import (
    apply_recommendation,
    dismiss_recommendation,
    reopen_recommendation,
)
from ml_assets.storage.recommendation_cases import MARK
from ml_assets_tests.storage.recommendations_made import advice, day, morning_after, store, stored

DATES = [1, 2, 3, 4]
FOREVER = dt.datetime(2126, 1, 1, tzinfo=dt.UTC)
PEOPLE = ("ana", "bob")

dates = st.lists(st.sampled_from(DATES), min_size=1, unique=True)
runs = st.tuples(st.just("run"), dates, st.frozensets(st.sampled_from(DATES)), st.booleans())
deeds = st.tuples(
    st.sampled_from(["apply", "dismiss", "reopen"]),
    st.integers(0, 3),
    st.sampled_from(PEOPLE),
    st.integers(4, 9),
)
histories = st.lists(runs | deeds, min_size=1, max_size=9)

lawful = settings(
    max_examples=12,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _run(connection: sa.Connection, numbers: list[int], advised: frozenset[int], only_active: bool) -> None:
    rows = [advice(number, first=1, expires_at=FOREVER) for number in sorted(advised & set(numbers))]
    store(connection, numbers, *rows, now=morning_after(1), only_active=only_active)


def _run_one(connection: sa.Connection, number: int, first: int) -> None:
    store(connection, [number], advice(number, first=first, expires_at=FOREVER), now=morning_after(1))


def _do(connection: sa.Connection, what: str, which: int, person: str, morning: int) -> dict[str, Any] | None:
    """The state that the case has afterwards; None where there was nothing to act upon."""
    rows = stored(connection).filter(pl.col("status") != "superseded")
    if rows.is_empty():
        return None
    key = rows["id"][which % rows.height]
    if what == "dismiss" and rows["status"][0] == "applied":
        return None
    at = morning_after(morning)
    if what == "apply":
        case = apply_recommendation(connection, key, person, at)
    elif what == "dismiss":
        case = dismiss_recommendation(connection, key, person, at, "not now")
    else:
        case = reopen_recommendation(connection, key, person, at)
    return {name: case.row[name] for name in ("status", *MARK)}


@lawful
@given(history=histories)
def test_a_case_keeps_what_people_did_with_it(engine: sa.Engine, history: list[tuple[Any, ...]]) -> None:
    state: dict[str, Any] = {"status": "active", **dict.fromkeys(MARK)}
    held: set[Any] = set()
    with engine.connect() as connection:
        for what, *how in history:
            if what == "run":
                _run(connection, *how)
            else:
                state = _do(connection, what, *how) or state
            rows = stored(connection)
            there = set(rows["recommendation_date"])
            if state["status"] == "active":
                held = set()
            else:
                held |= there
            assert held <= there, "a row that carries a state was deleted"
            told = rows.select("status", *MARK).unique().to_dicts()
            assert all(row in (state, {**state, "status": "superseded"}) for row in told)
        connection.rollback()


@lawful
@given(history=histories, numbers=dates, advised=st.frozensets(st.sampled_from(DATES)), force=st.booleans())
def test_the_second_of_two_runs_changes_nothing(
    engine: sa.Engine,
    history: list[tuple[Any, ...]],
    numbers: list[int],
    advised: frozenset[int],
    force: bool,
) -> None:
    with engine.connect() as connection:
        for what, *how in history:
            _run(connection, *how) if what == "run" else _do(connection, what, *how)
        _run(connection, numbers, advised, force)
        before = stored(connection)
        _run(connection, numbers, advised, force)
        assert_frame_equal(stored(connection), before)
        connection.rollback()


@lawful
@given(
    order=st.permutations(DATES),
    done_after=st.integers(1, 4),
    what=st.sampled_from(["apply", "dismiss"]),
    firsts=st.lists(st.integers(-6, 1), min_size=4, max_size=4),
)
def test_no_order_of_dates_and_no_moved_first_date_brings_back_what_was_settled(
    engine: sa.Engine, order: list[int], done_after: int, what: str, firsts: list[int]
) -> None:
    with engine.connect() as connection:
        for done, number in enumerate(order, 1):
            _run_one(connection, number, firsts[number - 1])
            if done == done_after:
                _do(connection, what, 0, "ana", 6)
        for number in order:
            _run_one(connection, number, firsts[-number])
        rows = stored(connection)
        assert rows["recommendation_date"].to_list() == [day(number) for number in DATES]
        assert set(rows["status"]) == {"applied" if what == "apply" else "dismissed"}
        assert rows.select(MARK.keys()).unique().height == 1
        connection.rollback()
