"""Checks of entity metrics: what cannot be right fails, for its account and level alone."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.checks.figures import FigureBounds, check_volume
from ml_assets.checks.verdicts import FIGURE_CHECKS, of_partitions, suspensions
from ml_assets.frames import ENTITY_METRICS
from ml_assets_tests.checks.figures_made import (
    NOTHING_RUNNING,
    changed,
    failures,
    judged,
    level_days,
    made,
)
from ml_assets_tests.features.frames_made import D


@pytest.mark.parametrize("levels", [("campaign", "adset", "ad"), ("ad",), ("campaign", "ad"), ("campaign",)])
def test_figures_that_add_up_pass_whatever_levels_are_delivered(levels: tuple[str, ...]) -> None:
    found = judged(made(levels=levels))
    assert failures(found) == set()
    assert set(found["check"]) == set(FIGURE_CHECKS)


@pytest.mark.parametrize(
    ("level", "entity_id", "values", "check"),
    [
        ("ad", "a1", {"spend": -1.0, "residual_spend": 0.0}, "within_bounds"),
        ("ad", "a1", {"clicks": -3}, "within_bounds"),
        ("adset", "s1", {"spend": float("nan")}, "within_bounds"),
        ("ad", "a1", {"link_clicks": 1001}, "within_bounds"),
        ("campaign", "c1", {"clicks": 6001}, "within_bounds"),
        ("ad", "a1", {"parent_id": None}, "no_orphans"),
        ("adset", "s1", {"parent_id": "gone"}, "no_orphans"),
    ],
)
def test_a_row_that_cannot_be_right_fails_its_level_of_its_account_alone(
    level: str, entity_id: str, values: dict[str, Any], check: str
) -> None:
    found = judged(changed(made((1, 2)), level, entity_id, **values), (1, 2))
    assert (check, 1, level) in failures(found)
    assert {config_id for _, config_id, _ in failures(found)} == {1}
    assert {where for name, _, where in failures(found) if name == check} == {level}
    told = found.filter(~pl.col("passed"), pl.col("check") == check)
    assert entity_id in told["sentence"][0] or "clicks on" in told["sentence"][0]


def test_an_entity_with_two_rows_on_a_day_fails() -> None:
    metrics = made((1, 2))
    twice = metrics.filter(pl.col("entity_id") == "b2", pl.col("config_id") == 2, pl.col("date") == D)
    found = judged(pl.concat([metrics, twice]), (1, 2))
    assert ("keys_unique", 2, "ad") in failures(found)
    assert {config_id for _, config_id, _ in failures(found)} == {2}


@pytest.mark.parametrize(
    ("level", "entity_id", "values"),
    [
        ("campaign", "c1", {"spend": 100.0}),
        ("adset", "s1", {"leads": 7}),
        ("ad", "a1", {"impressions": 999}),
        ("ad", "b1", {"clicks": 21}),
    ],
)
def test_of_three_levels_the_one_at_odds_with_the_others_fails(
    level: str, entity_id: str, values: dict[str, Any]
) -> None:
    found = judged(changed(made(), level, entity_id, **values))
    assert failures(found) == {("levels_reconcile", 1, level)}
    assert next(iter(values)) in found.filter(~pl.col("passed"))["sentence"][0]


def test_where_only_two_levels_can_be_compared_both_fail() -> None:
    metrics = made().filter(pl.col("entity_type") != "ad")
    found = judged(changed(metrics, "adset", "s1", spend=61.0))
    assert failures(found) == {("levels_reconcile", 1, level) for level in ("campaign", "adset")}


def test_a_level_older_than_the_insights_is_not_compared() -> None:
    """Its neighbours rest on a newer reading; whoever reads it makes it anew."""
    metrics = changed(made(), "campaign", "c1", spend=100.0)
    assert failures(judged(metrics, stale=level_days("campaign"))) == set()


def delivered(part: float) -> pl.DataFrame:
    """Entity metrics of a day whose adsets and ads were delivered only in part, residuals as stored."""
    metrics = made()
    lower = (pl.col("date") == D) & (pl.col("entity_type") != "campaign")
    upper = (pl.col("date") == D) & (pl.col("entity_type") == "campaign")
    return metrics.with_columns(
        spend=pl.when(lower).then(pl.col("spend") * part).otherwise("spend"),
        residual_spend=pl.when(upper).then(pl.col("spend") * (1.0 - part)).otherwise("residual_spend"),
    )


def test_children_far_above_their_parent_fail_though_the_difference_is_stored() -> None:
    found = judged(delivered(2.0))
    assert failures(found) == {("levels_reconcile", 1, "campaign")}
    assert "differ by 50 %" in found.filter(~pl.col("passed"))["sentence"][0]
    running = NOTHING_RUNNING.clear().vstack(
        pl.DataFrame([(1, D)], schema=NOTHING_RUNNING.schema, orient="row")
    )
    assert failures(judged(delivered(2.0), running=running)) == set()


def test_a_difference_as_small_as_sources_have_passes() -> None:
    assert failures(judged(delivered(0.98))) == set()


def test_money_in_another_unit_fails_and_a_busy_day_does_not() -> None:
    here = pl.col("date") == D

    def times(factor: float) -> pl.DataFrame:
        return made().with_columns(
            pl.when(here).then(pl.col(name) * factor).otherwise(name).alias(name)
            for name in ("spend", "residual_spend")
        )

    assert failures(judged(times(15.0))) == set()
    assert {check for check, _, _ in failures(judged(times(100.0)))} == {"within_bounds"}


def test_volume_is_held_against_the_same_weekday() -> None:
    def ratios(metrics: pl.DataFrame) -> pl.DataFrame:
        return check_volume(metrics, [D], running=NOTHING_RUNNING, bounds=FigureBounds())

    assert ratios(made())["figure"].to_list() == [1.0] * 3
    silent = made().filter((pl.col("date") != D) | (pl.col("entity_type") != "ad"))
    found = ratios(silent)
    assert failures(found) == {("volume_usual", 1, "ad")}
    assert (
        "0 impressions, where the same weekday usually has 6000"
        in found.filter(~pl.col("passed"))["sentence"].item()
    )


def test_a_partition_fails_only_where_all_its_accounts_do() -> None:
    one = changed(made((1, 2)), "ad", "a1", leads=-1)
    both = changed(one, "ad", "a2", config_id=2, leads=-1)

    def failed(metrics: pl.DataFrame) -> set[tuple[str, str]]:
        parts = of_partitions(judged(metrics, (1, 2))).filter(~pl.col("passed"))
        return set(parts.select("check", "entity_type").iter_rows())

    assert failed(one) == set()
    assert ("within_bounds", "ad") in failed(both)
    assert {level for _, level in failed(both)} == {"ad"}


def test_a_failure_suspends_its_level_and_those_below() -> None:
    found = judged(changed(made((1, 2)), "adset", "s1", leads=-1), (1, 2))
    assert set(suspensions(found).select("config_id", "entity_type", "guard").iter_rows()) == {
        (1, "adset", "data_quality"),
        (1, "ad", "data_quality"),
    }


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    level=st.sampled_from(["campaign", "adset", "ad"]),
    figure=st.sampled_from(["spend", "impressions", "clicks", "leads"]),
    by=st.integers(1, 50),
)
def test_any_change_of_a_stored_sum_is_found_whatever_the_order_of_rows(
    seed: int, level: str, figure: str, by: int
) -> None:
    metrics = made()
    entity = metrics.filter(pl.col("entity_type") == level, pl.col("date") == D).row(
        seed % 2 if level != "campaign" else 0, named=True
    )
    broken = changed(metrics, level, entity["entity_id"], **{figure: entity[figure] + by})
    found = judged(broken)
    assert ("levels_reconcile", 1, level) in failures(found)
    assert judged(broken.sample(fraction=1.0, shuffle=True, seed=seed)).equals(found)
    assert set(broken.schema) == set(ENTITY_METRICS)
