"""Whether what was issued was right, on accounts whose truth is known; what it earned, lost and missed.

Only the truth of the figures is used here, never an estimate. Money is per week, in the account's currency.

The true lead rate of an entity on a date is that of the 14 days up to it, spend S is that of its last 7 days,
T the target CPL; L = S x rate are its leads a week, and its value a week is T L - S. Against going on as now

- PAUSE earns -(T L - S), so it loses what the entity was worth;
- a change of the budget by the share s earns T L ((1 + s)^elasticity - 1) - s S.

What siblings would do with a freed budget is not counted.
"""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from ml_assets.entities import LEVELS
from ml_assets.features.compute import SIBLING_MIN_DAYS
from ml_assets.frames import KEY, Schema, conform
from ml_assets.recommendations.comparison import ADVICE
from ml_assets.recommendations.policy import Policy

RATE_DAYS = 14
SPEND_DAYS = 7

MISSED_EXPECTED_LEADS = 5.0
"""Leads that the spend of 14 days would have brought at T; below, nothing could be told in time."""

MISSED_ABOVE, MISSED_BELOW = 1.5, 0.7
"""True CPL over T beyond which silence costs money."""

CUTS = ("PAUSE", "BUDGET_DECREASE")
RAISES = ("SCALE_UP", "BUDGET_INCREASE")
WINNER = "CREATIVE_WINNER"

TRUE_RATES: Schema = {
    **KEY,
    "parent_id": pl.String(),
    "campaign_id": pl.String(),
    "date": pl.Date(),
    "true_spend": pl.Float64(),  # of 14 days
    "true_leads": pl.Float64(),  # expected leads of 14 days
    "true_cpl": pl.Float64(),  # null without leads
    "weekly_spend": pl.Float64(),  # of 7 days
    "is_cheapest": pl.Boolean(),  # of the siblings that deliver; null where it does not
}
"""One row per entity and date with delivery in the 14 days up to it."""

WRONG_RATES: Schema = {
    "recommendation_type": pl.String(),
    "entities": pl.Int64(),  # with such a recommendation on any date
    "wrong": pl.Int64(),  # of them, wrong on any date on which it stood
    "wrong_at_first": pl.Int64(),  # wrong on the first date
    "wrong_share": pl.Float64(),
}
"""Each entity counts once per type, however many dates its recommendation stood."""

REGRET: Schema = {
    "entity_type": pl.String(),  # null: all levels
    "promised": pl.Float64(),  # money_per_week of what has a true value
    "earned": pl.Float64(),  # by what was right
    "lost": pl.Float64(),  # by what was wrong, positive
    "missed": pl.Float64(),  # by silence
    "missed_entities": pl.Int64(),
    "regret": pl.Float64(),  # lost + missed
}
"""Per level: money a week of the plan that stood on a date, mean over the dates."""


def true_rates(days: pl.DataFrame, entities: pl.DataFrame, dates: Sequence[dt.date]) -> pl.DataFrame:
    """The truth of each entity on each of `dates`, in `TRUE_RATES`.

    `days`: entity_type, entity_id, date, spend, expected_leads, one row per day with delivery, final
    figures. `entities` (schema `ENTITIES`) give account and place in the tree; others are left out.
    """
    windows = pl.DataFrame({"on": pl.Series(dates, dtype=pl.Date).unique()}).join(
        pl.DataFrame({"lag": range(RATE_DAYS)}, schema={"lag": pl.Int64}), how="cross"
    )
    last_week = pl.col("lag") < SPEND_DAYS
    siblings = ["config_id", "entity_type", "parent_id", "date"]
    competes = pl.col("days_7d") >= SIBLING_MIN_DAYS
    rate = pl.when(competes & (pl.col("true_spend") > 0)).then(pl.col("true_leads") / pl.col("true_spend"))
    rows = (
        windows.with_columns(date=pl.col("on") - pl.duration(days="lag"))
        .join(days.select("entity_type", "entity_id", "date", "spend", "expected_leads"), on="date")
        .group_by("entity_type", "entity_id", "on")
        .agg(
            true_spend=pl.col("spend").sum(),
            true_leads=pl.col("expected_leads").sum(),
            weekly_spend=pl.col("spend").filter(last_week).sum(),
            days_7d=last_week.sum(),
        )
        .rename({"on": "date"})
        .join(entities.select(*KEY, "parent_id", "campaign_id"), on=["entity_type", "entity_id"])
        .with_columns(
            true_cpl=pl.when(pl.col("true_leads") > 0).then(pl.col("true_spend") / pl.col("true_leads")),
            rate=rate,
        )
        .with_columns(is_cheapest=pl.col("rate") >= pl.col("rate").max().over(siblings))
    )
    return conform(rows, TRUE_RATES).sort(*KEY, "date")


def judge(issued: pl.DataFrame, truth: pl.DataFrame, policy: Policy | None = None) -> pl.DataFrame:
    """`issued` with true_cpl, is_wrong and true_money_per_week.

    `issued` needs KEY, recommendation_type, recommendation_date, target_cpl and step; `truth` is in
    `TRUE_RATES`. Wrong is a PAUSE or BUDGET_DECREASE whose true CPL is at most T, a SCALE_UP or
    BUDGET_INCREASE whose true CPL is at least T, a CREATIVE_WINNER that is not truly the cheapest of the
    siblings that deliver. is_wrong is null for other types and without T or delivery; true_money_per_week
    is null for all but the first four. A step that is null is that of the policy.
    """
    rules = policy or Policy()
    kind = pl.col("recommendation_type")
    steps = {
        "BUDGET_DECREASE": -rules.decrease_step,
        "BUDGET_INCREASE": rules.increase_step,
        "SCALE_UP": rules.scale_up_step,
    }
    step = pl.coalesce(
        "step", kind.replace_strict(list(steps), list(steps.values()), default=None, return_dtype=pl.Float64)
    )
    relative = pl.col("target_cpl") * pl.col("true_leads") / pl.col("true_spend")
    has_truth = pl.col("target_cpl").is_not_null() & (pl.col("true_spend") > 0)
    return (
        issued.join(
            truth.select(*KEY, "date", "true_spend", "true_leads", "true_cpl", "weekly_spend", "is_cheapest"),
            left_on=[*KEY, "recommendation_date"],
            right_on=[*KEY, "date"],
            how="left",
            maintain_order="left",
        )
        .with_columns(
            is_wrong=pl.when(has_truth & kind.is_in(CUTS))
            .then(relative >= 1)
            .when(has_truth & kind.is_in(RAISES))
            .then(relative <= 1)
            .when(kind == WINNER)
            .then(~pl.col("is_cheapest")),
            true_money_per_week=pl.when(has_truth & (kind == "PAUSE"))
            .then(_money_of_pause())
            .when(has_truth & kind.is_in([*CUTS, *RAISES]))
            .then(_money_of_step(step, rules)),
        )
        .drop("true_spend", "true_leads", "weekly_spend", "is_cheapest")
    )


def _leads_value() -> pl.Expr:
    """T L: what the leads of a week are worth."""
    return pl.col("target_cpl") * pl.col("weekly_spend") * pl.col("true_leads") / pl.col("true_spend")


def _money_of_pause() -> pl.Expr:
    return pl.col("weekly_spend") - _leads_value()


def _money_of_step(step: pl.Expr, policy: Policy) -> pl.Expr:
    return _leads_value() * ((1 + step).pow(policy.elasticity) - 1) - step * pl.col("weekly_spend")


def wrong_rates(judged: pl.DataFrame) -> pl.DataFrame:
    """How many entities were told wrong things, per type (`WRONG_RATES`), of rows of `judge`.

    Rows whose is_wrong is null are left out.
    """
    per_entity = (
        judged.filter(pl.col("is_wrong").is_not_null())
        .sort(*ADVICE, "recommendation_date")
        .group_by(ADVICE, maintain_order=True)
        .agg(wrong=pl.col("is_wrong").any(), wrong_at_first=pl.col("is_wrong").first())
    )
    counted = per_entity.group_by("recommendation_type").agg(
        pl.len().alias("entities"),
        pl.col("wrong").sum(),
        pl.col("wrong_at_first").sum(),
        wrong_share=pl.col("wrong").mean(),
    )
    return conform(counted, WRONG_RATES).sort("recommendation_type")


def missed(
    issued: pl.DataFrame, truth: pl.DataFrame, targets: pl.DataFrame, policy: Policy | None = None
) -> pl.DataFrame:
    """Where saying nothing cost money: rows of `truth` with target_cpl and missed_per_week.

    `targets`: config_id, campaign_id, date, target_cpl, null where leads are not the goal. Missed is an
    entity with `MISSED_EXPECTED_LEADS` or more expected leads whose true CPL lies above 1.5 T (it would have
    earned what a PAUSE earns) or below 0.7 T (what a SCALE_UP earns), and about which none of these two and
    the two budget changes was issued: not on itself, nor on a level above, nor on an entity below. Of those
    that hang together only the topmost counts, so that the money of a campaign is not counted again with its
    ads.
    """
    rules = policy or Policy()
    spend_at_target = pl.col("true_spend") / pl.col("target_cpl")
    relative = spend_at_target / pl.col("true_leads")  # true CPL over T; infinite without leads
    told = issued.filter(pl.col("recommendation_type").is_in([*CUTS, *RAISES])).select(
        *KEY, date="recommendation_date"
    )
    placed = truth.join(targets, on=["config_id", "campaign_id", "date"]).with_columns(
        adset_id=pl.when(pl.col("entity_type") == "ad")
        .then("parent_id")
        .when(pl.col("entity_type") == "adset")
        .then("entity_id")
    )
    off_target = placed.filter(
        spend_at_target >= MISSED_EXPECTED_LEADS, (relative > MISSED_ABOVE) | (relative < MISSED_BELOW)
    ).with_columns(
        missed_per_week=pl.when(relative > MISSED_ABOVE)
        .then(_money_of_pause())
        .otherwise(_money_of_step(pl.lit(rules.scale_up_step), rules).clip(lower_bound=0.0))
    )
    silent = _without_related(off_target, _upwards_and_downwards(told, placed))
    return _without_related(silent, _descendants(silent.select(*KEY, "date"), placed)).select(
        *truth.columns, "target_cpl", "missed_per_week"
    )


def _upwards_and_downwards(told: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """KEY, date of everything told of, above it and below it."""
    paths = placed.join(told, on=[*KEY, "date"], how="semi")
    above = [
        paths.filter(pl.col("entity_type") != level.value).select(
            "config_id",
            entity_type=pl.lit(level.value),
            entity_id=pl.col(level.id_column),
            date="date",
        )
        for level in LEVELS[:-1]
    ]
    own = told.select(*KEY, "date")
    related = [own, *(part.drop_nulls("entity_id").select(own.columns) for part in above)]
    return pl.concat([*related, _descendants(own, placed)]).unique()


def _descendants(entities: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """KEY, date of everything below `entities` (KEY, date)."""
    found: list[pl.DataFrame] = []
    for index, level in enumerate(LEVELS[:-1]):
        roots = entities.filter(pl.col("entity_type") == level.value).select(
            "config_id", pl.col("entity_id").alias(level.id_column), "date"
        )
        below = placed.filter(pl.col("entity_type").is_in([lower.value for lower in LEVELS[index + 1 :]]))
        found.append(
            below.join(roots, on=["config_id", level.id_column, "date"], how="semi").select(*KEY, "date")
        )
    return pl.concat(found)


def _without_related(rows: pl.DataFrame, related: pl.DataFrame) -> pl.DataFrame:
    return rows.join(related, on=[*KEY, "date"], how="anti")


def regret(judged: pl.DataFrame, silent: pl.DataFrame, dates: Sequence[dt.date]) -> pl.DataFrame:
    """What the plans of `dates` earned, lost and missed, per level and in total (`REGRET`).

    `judged` comes from `judge`, `silent` from `missed`. A recommendation counts on every date on which it
    stood, so the figures are those of the plan of an average date. Levels overlap where an entity and one
    below it are both acted upon.
    """
    number = max(len(set(dates)), 1)
    money = pl.col("true_money_per_week")
    valued = judged.filter(money.is_not_null())
    frames: list[pl.DataFrame] = []
    for level in (*LEVELS, None):
        own = valued if level is None else valued.filter(pl.col("entity_type") == level.value)
        lost = silent if level is None else silent.filter(pl.col("entity_type") == level.value)
        frames.append(
            own.select(
                entity_type=pl.lit(None if level is None else level.value, dtype=pl.String),
                promised=pl.col("money_per_week").sum() / number,
                earned=money.clip(lower_bound=0).sum() / number,
                lost=(0.0 - money.clip(upper_bound=0).sum()) / number,
                missed=pl.lit(lost["missed_per_week"].sum() / number),
                missed_entities=pl.lit(lost.select(*KEY).n_unique()),
            ).with_columns(regret=pl.col("lost") + pl.col("missed"))
        )
    return conform(pl.concat(frames), REGRET)
