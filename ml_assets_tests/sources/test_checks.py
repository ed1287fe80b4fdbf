"""Rows that cannot be right are set aside with their reason; nothing is lost and nothing right is touched."""

import datetime as dt
import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.errors import NothingLoadableError
from ml_assets.frames import ENTITIES, INSIGHTS, REJECTED_ROWS, empty, fill_missing
from ml_assets.sources.checks import check_insights, check_parents, require_rows

NOW = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


def insights(*rows: dict[str, object]) -> pl.DataFrame:
    base = {
        "entity_type": "ad",
        "entity_id": "1",
        "date": dt.date(2026, 1, 1),
        "spend": 5.0,
        "impressions": 100,
    }
    schema = {**INSIGHTS, "line": pl.Int64()}
    frame = pl.DataFrame(
        [{**base, "line": n, **row} for n, row in enumerate(rows, start=2)], schema_overrides=schema
    )
    return fill_missing(frame, schema)


def reasons(*rows: dict[str, object], entities: pl.DataFrame | None = None) -> list[tuple[int, str]]:
    checked = check_insights(insights(*rows), source="table", now=NOW, entities=entities)
    return checked.rejected.select("line", "reason").rows()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"spend": -5.0}, "spend is negative (-5)"),
        ({"spend": float("nan")}, "spend is not a finite number"),
        ({"spend": float("inf")}, "spend is not a finite number"),
        ({"frequency": float("-inf")}, "frequency is not a finite number"),
        ({"impressions": -1, "link_clicks": None}, "impressions is negative (-1)"),
        ({"leads": -2}, "leads is negative (-2)"),
        ({"link_clicks": 101}, "link_clicks (101) exceed impressions (100)"),
        ({"date": None}, "the row has no date"),
        ({"date": dt.date(2026, 1, 7)}, "the date 2026-01-07 lies in the future"),
        ({"entity_id": None}, "the row names no entity"),
        ({"entity_id": ""}, "the row names no entity"),
        ({"spend": -5.0, "date": None}, "the row has no date; spend is negative (-5)"),
    ],
)
def test_a_row_that_cannot_be_right_is_set_aside_and_the_next_one_is_kept(
    wrong: dict[str, object], reason: str
) -> None:
    checked = check_insights(insights(wrong, {"entity_id": "2"}), source="table", now=NOW)
    assert checked.rejected.select("source", "line", "reason").rows() == [("table", 2, reason)]
    assert checked.kept["entity_id"].to_list() == ["2"]
    assert checked.kept.schema == pl.Schema(INSIGHTS)
    assert checked.rejected.schema == pl.Schema(REJECTED_ROWS)


def test_today_and_tomorrow_may_have_figures_since_some_zone_is_there_already() -> None:
    assert reasons({"date": dt.date(2026, 1, 5)}, {"date": dt.date(2026, 1, 6)}) == []


def test_null_figures_are_not_wrong() -> None:
    assert reasons({"spend": None, "impressions": None, "link_clicks": 5}) == []


def test_an_insight_of_an_unknown_entity_is_an_orphan() -> None:
    known = pl.DataFrame({"entity_type": ["ad", "adset"], "entity_id": ["1", "2"]})
    assert reasons({}, {"entity_id": "2"}, entities=known) == [(3, "unknown ad 2")]


def test_copies_and_contradictions_of_a_key_are_told_apart() -> None:
    rows = [{}, {}, {"spend": 9.0}, {"spend": 9.0}, {"window_days": 7}, {"entity_type": "adset"}]
    assert reasons(*rows) == [
        (3, "duplicate key: the same row stands in line 2"),
        (4, "duplicate key: line 2 has other figures for the same entity and day"),
        (5, "duplicate key: the same row stands in line 4"),
    ]


def test_a_wrong_row_does_not_push_a_right_one_of_its_key_out() -> None:
    assert reasons({"spend": -1.0}, {"spend": 1.0}) == [(2, "spend is negative (-1)")]


def test_versions_of_a_day_are_no_duplicates() -> None:
    early, late = NOW - dt.timedelta(days=1), NOW
    assert reasons({"known_at": early}, {"known_at": late, "spend": 6.0}) == []
    assert len(reasons({"known_at": early}, {"known_at": early, "spend": 6.0})) == 1


def test_a_rejected_row_is_kept_as_it_stood() -> None:
    raw = json.loads(check_insights(insights({"spend": -5.0}), source="table", now=NOW).rejected["raw"][0])
    assert (raw["entity_id"], raw["spend"], raw["impressions"]) == ("1", -5.0, 100)


def test_odd_rows_are_kept_and_counted() -> None:
    odd = insights(
        {"clicks": 200}, {"entity_id": "2", "clicks": 3, "leads": 4}, {"entity_id": "3", "clicks": 300}
    )
    checked = check_insights(odd, source="table", now=NOW)
    assert checked.kept.height == 3
    assert checked.warnings == (
        "2 of 3 rows have more clicks than impressions; they were loaded.",
        "1 of 3 rows have more leads than clicks (view-through); they were loaded.",
    )


def test_nothing_left_to_load_is_an_error_with_reasons_and_counts() -> None:
    checked = check_insights(insights({"spend": -1.0}, {"spend": -2.0}, {"date": None}), source="t", now=NOW)
    with pytest.raises(
        NothingLoadableError, match=r"all 3 were set aside: 2 x spend is negative.*; 1 x the row has no"
    ):
        require_rows(checked.kept, checked.rejected, "t")
    with pytest.raises(NothingLoadableError, match="no row with delivery"):
        require_rows(empty(INSIGHTS), empty(REJECTED_ROWS), "t")


def test_children_of_an_orphan_are_set_aside_with_it() -> None:
    frame = fill_missing(
        pl.DataFrame(
            {
                "entity_type": ["campaign", "adset", "adset", "ad", "ad", "ad"],
                "entity_id": ["c", "s", "lost", "a", "b", "d"],
                "parent_id": [None, "c", "gone", "s", "lost", None],
            }
        ),
        ENTITIES,
    )
    checked = check_parents(frame, source="tables", rejected_at=NOW)
    assert checked.kept["entity_id"].to_list() == ["c", "s", "a"]
    assert checked.rejected["reason"].to_list() == [
        "orphan: the parent (gone) of adset lost is unknown",
        "orphan: the parent (lost) of ad b is unknown",
        "orphan: the parent (none) of ad d is unknown",
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "entity_id": st.sampled_from(["1", "2", None]),
                "spend": st.sampled_from([1.0, -1.0, float("nan"), None]),
                "link_clicks": st.sampled_from([0, 50, 150, None]),
            }
        ),
        min_size=1,
        max_size=12,
    )
)
def test_no_row_is_lost_and_checking_again_changes_nothing(rows: list[dict[str, object]]) -> None:
    frame = insights(*rows)
    checked = check_insights(frame, source="table", now=NOW)
    assert checked.kept.height + checked.rejected.height == frame.height
    again = check_insights(checked.kept, source="table", now=NOW)
    assert again.rejected.is_empty()
    assert again.kept.equals(checked.kept)
