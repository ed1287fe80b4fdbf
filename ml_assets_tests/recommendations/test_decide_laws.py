"""What holds for every decision, whatever the account: same rows however asked, no look ahead, one plan."""

import datetime as dt
from dataclasses import replace
from functools import partial

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from benchmarks.accounts import END, Account, make_account
from ml_assets.entities import LEVELS, EntityType
from ml_assets.recommendations import Policy, decide
from ml_assets.recommendations.inputs import DecisionInputs

DATES = [END - dt.timedelta(days=back) for back in range(24, -1, -1)]
KEY = ["config_id", "entity_type", "entity_id", "recommendation_date", "recommendation_type"]

in_order = partial(pl.DataFrame.sort, by=KEY)


@pytest.fixture(scope="module")
def account() -> Account:
    return make_account(
        11, campaigns=4, adsets=14, ads=40, leads_per_ad_week=8.0, campaign_sigma=0.6, ad_sigma=0.6
    )


@pytest.fixture(scope="module")
def inputs(account: Account) -> DecisionInputs:
    return DecisionInputs(account.inputs, revisions=account.revisions)


@pytest.fixture(scope="module")
def decided(inputs: DecisionInputs) -> dict[EntityType, pl.DataFrame]:
    return {level: decide(inputs, level, DATES) for level in LEVELS}


@pytest.fixture(scope="module")
def plan(decided: dict[EntityType, pl.DataFrame]) -> pl.DataFrame:
    everything = pl.concat(decided.values())
    return everything.filter(pl.col("blocked_by").is_null(), pl.col("detected_at").is_null())


def test_the_account_gives_the_laws_something_to_hold_for(
    decided: dict[EntityType, pl.DataFrame], plan: pl.DataFrame
) -> None:
    assert plan.height > 50
    assert plan["recommendation_type"].n_unique() >= 5
    assert pl.concat(decided.values())["blocked_by"].drop_nulls().n_unique() >= 4


@pytest.mark.parametrize("level", LEVELS)
def test_a_date_decides_alike_alone_and_among_others(
    inputs: DecisionInputs, decided: dict[EntityType, pl.DataFrame], level: EntityType
) -> None:
    for date in (DATES[3], DATES[-1]):
        among_others = decided[level].filter(pl.col("recommendation_date") == date)
        assert_frame_equal(in_order(decide(inputs, level, [date])), in_order(among_others))


def test_the_order_of_dates_and_rows_does_not_matter(
    inputs: DecisionInputs, decided: dict[EntityType, pl.DataFrame]
) -> None:
    figures = inputs.figures
    shuffled = replace(
        inputs,
        figures=replace(
            figures,
            metrics=figures.metrics.sample(fraction=1.0, shuffle=True, seed=1),
            entities=figures.entities.sample(fraction=1.0, shuffle=True, seed=2),
            versions=figures.versions.sample(fraction=1.0, shuffle=True, seed=3),
        ),
        revisions=inputs.revisions.sample(fraction=1.0, shuffle=True, seed=4),
    )
    again = decide(shuffled, EntityType.AD, DATES[::-1])
    assert_frame_equal(in_order(again), in_order(decided[EntityType.AD]))


def test_figures_of_later_days_change_nothing(
    inputs: DecisionInputs, decided: dict[EntityType, pl.DataFrame]
) -> None:
    date = DATES[-6]
    figures = inputs.figures
    later = pl.col("date") > date
    changed = replace(
        inputs,
        figures=replace(
            figures,
            metrics=figures.metrics.with_columns(
                pl.when(later).then(pl.col(name) * 3).otherwise(name).alias(name)
                for name in ("spend", "leads")
            ),
        ),
    )
    then = decided[EntityType.AD].filter(pl.col("recommendation_date") == date)
    assert_frame_equal(in_order(decide(changed, EntityType.AD, [date])), in_order(then))


def test_accounts_do_not_know_of_each_other(
    inputs: DecisionInputs, decided: dict[EntityType, pl.DataFrame]
) -> None:
    figures = inputs.figures

    def twice(frame: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([frame, frame.with_columns(config_id=pl.lit(2, pl.Int64))])

    both = DecisionInputs(
        replace(
            figures,
            accounts=twice(figures.accounts),
            entities=twice(figures.entities),
            versions=twice(figures.versions),
            metrics=twice(figures.metrics),
            development=twice(figures.development),
        ),
        revisions=twice(inputs.revisions),
    )
    found = decide(both, EntityType.ADSET, [END])
    alone = decided[EntityType.ADSET].filter(pl.col("recommendation_date") == END)
    for number in (1, 2):
        own = found.filter(pl.col("config_id") == number).with_columns(config_id=pl.lit(1, pl.Int64))
        assert_frame_equal(in_order(own), in_order(alone))


def test_at_most_ten_a_day_over_all_levels_and_one_per_entity(plan: pl.DataFrame) -> None:
    assert plan.group_by("recommendation_date").len()["len"].max() <= Policy().issued_per_day
    assert plan.group_by("entity_type", "entity_id", "recommendation_date").len()["len"].max() == 1


def test_at_most_three_candidates_of_an_entity_are_kept(decided: dict[EntityType, pl.DataFrame]) -> None:
    kept = pl.concat(decided.values()).group_by("entity_type", "entity_id", "recommendation_date").len()
    assert kept["len"].max() <= Policy().candidates


def test_nothing_is_advised_below_what_is_to_be_paused_and_no_growth_below_a_cut(plan: pl.DataFrame) -> None:
    grows = ["SCALE_UP", "BUDGET_INCREASE", "AUDIENCE_EXPANSION", "REACTIVATE"]
    for above, id_column in (("campaign", "campaign_id"), ("adset", "parent_id")):
        upper = plan.filter(pl.col("entity_type") == above).select(
            "recommendation_date", pl.col("entity_id").alias(id_column), above="recommendation_type"
        )
        below = plan.filter(
            pl.col("entity_type") != above,
            pl.col("entity_type") == "ad" if above == "adset" else pl.lit(value=True),
        ).join(upper, on=["recommendation_date", id_column], how="inner")
        assert below.filter(pl.col("above") == "PAUSE").is_empty()
        assert below.filter(
            pl.col("above") == "BUDGET_DECREASE", pl.col("recommendation_type").is_in(grows)
        ).is_empty()


def test_budgets_add_up_without_a_monthly_budget(plan: pl.DataFrame) -> None:
    changes = plan.filter(pl.col("budget_after").is_not_null()).with_columns(
        more=pl.col("budget_after") - pl.col("budget")
    )
    raised = changes.filter(pl.col("more") > 0).group_by("recommendation_date").agg(pl.col("more").sum())
    cut = changes.filter(pl.col("more") < 0).group_by("recommendation_date").agg(pl.col("more").sum())
    # A pause frees its budget too; it has none of its own to tell, so it only makes the law easier to keep.
    pauses = plan.filter(pl.col("recommendation_type") == "PAUSE", pl.col("entity_type") != "ad")
    days = raised.join(cut, on="recommendation_date", how="left", suffix="_cut").join(
        pauses.select("recommendation_date").unique(), on="recommendation_date", how="anti"
    )
    assert days.filter(pl.col("more") > -pl.col("more_cut").fill_null(0.0) + 1e-6).is_empty()


def test_what_is_given_first_is_as_sure_as_the_rule_asks(plan: pl.DataFrame) -> None:
    first = (
        plan.sort("recommendation_date").group_by("entity_type", "entity_id", "recommendation_type").first()
    )
    inside = first.filter(pl.col("recommendation_date") > DATES[0])
    assert inside.height > 10
    assert inside.filter(pl.col("probability") < pl.col("enters_at")).is_empty()


def test_ranks_follow_money_within_a_level_and_date(plan: pl.DataFrame) -> None:
    ordered = plan.sort("entity_type", "recommendation_date", "rank")
    falls = ordered.with_columns(
        before=pl.col("money_per_week").fill_null(0.0).shift(1).over("entity_type", "recommendation_date")
    )
    assert falls.filter(pl.col("money_per_week").fill_null(0.0) > pl.col("before") + 1e-9).is_empty()
