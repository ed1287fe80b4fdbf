"""What the partition of a level takes for decided above is what the partition above decides."""

from functools import cache

import polars as pl
import pytest

from benchmarks.accounts import END, make_account
from ml_assets.entities import LEVELS, EntityType
from ml_assets.recommendations import Policy, decide
from ml_assets.recommendations.inputs import DecisionInputs

CAMPAIGN, ADSET, AD = LEVELS
UPPER = {"campaign": CAMPAIGN, "adset": ADSET}
DECIDED_ALL_THE_SAME = ("below_the_fold", "budget")
"""Reasons for which a decision is not on the list but stands in the way below."""


@cache
def decided(seed: int, level: EntityType) -> pl.DataFrame:
    account = make_account(
        seed, campaigns=5, adsets=14, ads=34, leads_per_ad_week=6.0, campaign_sigma=0.8, adset_sigma=0.6
    )
    policy = Policy().changed({"budget_decrease": 0.8, "pause": 0.8}, "ready")
    dates = [END.replace(day=day) for day in range(8, 31, 2)]
    return decide(DecisionInputs(account.inputs, revisions=account.revisions), level, dates, policy)


def standing(level: EntityType, seed: int) -> pl.DataFrame:
    return decided(seed, level).filter(
        pl.col("blocked_by").is_null() | pl.col("plan_reason").is_in(DECIDED_ALL_THE_SAME)
    )


SEEDS = (1, 2, 3)


@pytest.mark.parametrize("level", [ADSET, AD])
def test_what_stands_in_the_way_was_decided_by_the_partition_above(level: EntityType) -> None:
    seen = 0
    for seed in SEEDS:
        held = decided(seed, level).filter(
            pl.col("plan_reason") == "level_above", pl.col("above_action") != "INACTIVE"
        )
        seen += held.height
        for name, upper in UPPER.items():
            told = held.filter(pl.col("above_type") == name).select(
                "recommendation_date", entity_id="above_id", recommendation_type="above_action"
            )
            above = standing(upper, seed)
            assert told.join(above, on=told.columns, how="anti").is_empty()
    assert seen


@pytest.mark.parametrize("level", [ADSET, AD])
def test_nothing_is_issued_below_what_another_partition_stops(level: EntityType) -> None:
    grows = ["SCALE_UP", "BUDGET_INCREASE", "AUDIENCE_EXPANSION", "REACTIVATE"]
    stopped = 0
    for seed in SEEDS:
        for upper, column in ((CAMPAIGN, "campaign_id"), (ADSET, "parent_id")):
            if upper is level:
                continue
            above = standing(upper, seed).select(
                "recommendation_date", pl.col("entity_id").alias(column), above="recommendation_type"
            )
            stopped += above.filter(pl.col("above").is_in(["PAUSE", "BUDGET_DECREASE"])).height
            below = (
                decided(seed, level)
                .filter(pl.col("blocked_by").is_null(), pl.col("detected_at").is_null())
                .join(above, on=["recommendation_date", column], how="inner")
            )
            assert below.filter(pl.col("above") == "PAUSE").is_empty()
            cut = below.filter(pl.col("above") == "BUDGET_DECREASE")
            assert cut.filter(pl.col("recommendation_type").is_in(grows)).is_empty()
    assert stopped


def test_all_partitions_together_issue_ten_a_day_at_most_and_no_more_than_is_freed() -> None:
    for seed in SEEDS:
        plan = pl.concat(decided(seed, level) for level in LEVELS).filter(
            pl.col("blocked_by").is_null(), pl.col("detected_at").is_null()
        )
        days = plan.group_by("recommendation_date").agg(
            pl.len(),
            more=(pl.col("budget_after") - pl.col("budget")).sum(),
            pauses=(pl.col("recommendation_type") == "PAUSE").sum(),
        )
        assert days.height
        assert days.filter(pl.col("len") > 10).is_empty()
        assert days.filter(pl.col("pauses") == 0, pl.col("more") > 1e-6).is_empty()
