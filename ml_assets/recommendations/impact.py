"""What following a recommendation brings in a week, against going on as now, with 80 % intervals.

Leads answer a budget with diminishing returns: leads proportional to budget^elasticity. A lead is worth the
target T, so money = T * change of leads - change of spend. The lead rate r = T / CPL is a Gamma posterior,
the effect on it a factor known up to the elasticity; their product is taken as a Gamma of the same mean and
variance.
"""

import numpy as np
import polars as pl
from scipy.special import gammaincinv

from ml_assets.entities import EntityType
from ml_assets.features.grid import FloatArray
from ml_assets.recommendations.policy import Policy

SHIFT = 0.2
"""Rise of spend that more room gives an ad, an expansion an adset; share that a winner gets from siblings."""

TIRED_LOSS = 0.25
"""Leads a rested creative brings more: it is fatigued below 0.8 of its best, 1 / 0.8 - 1."""

RECOVERY = 0.5
"""Share of a lost lead or conversion rate that a better audience is taken to win back."""

_LOW, _HIGH = 0.1, 0.9
_TINY = 1e-9


def with_impact(candidates: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """`candidates` with money, leads, spend and CPL a week as `DECISIONS` has them; null where unknown.

    Reads shape and rate of the posterior, spend_7d, target_cpl, step, others_mean, prior_mean, the columns of
    the record and of the test.
    """
    frame = candidates.with_columns(*_base(), _around=pl.coalesce("others_mean", "prior_mean"))
    frame = frame.with_columns(*_leads_factor(policy), _spend_factor(), _fixed_leads())
    spend = frame["_weekly_spend"].to_numpy().astype(np.float64)
    target = frame["target_cpl"].fill_null(np.nan).to_numpy().astype(np.float64)
    factor = frame["_factor"].fill_null(np.nan).to_numpy().astype(np.float64)
    factor_sd = frame["_factor_sd"].fill_null(0.0).to_numpy().astype(np.float64)
    fixed = frame["_fixed"].fill_null(0.0).to_numpy().astype(np.float64)
    shape = frame["_shape"].fill_null(np.nan).to_numpy().astype(np.float64)
    rate = frame["_rate"].fill_null(np.nan).to_numpy().astype(np.float64)
    change = frame["_spend_change"].to_numpy().astype(np.float64)
    # A winner's own spend grows by what its siblings give; theirs together does not change.
    own = np.where(frame["recommendation_type"] == "CREATIVE_WINNER", SHIFT, change)
    effect = _product(shape, rate, factor, factor_sd)
    with np.errstate(divide="ignore", invalid="ignore"):
        weekly = spend / target
        leads = [weekly * (part + fixed) for part in effect]
        worth = np.where(target > 0, spend, np.nan)  # a lead is worth T; without T nobody knows
        money = [worth * (part + fixed - change) for part in effect]
        after = [
            np.where((1.0 + own > _TINY) & (r + part > _TINY), target * (1.0 + own) / (r + part), np.nan)
            for part, r in _by_rate(effect, factor, shape, rate)
        ]
    columns = {
        "money_per_week": money[0], "money_lo_80": money[1], "money_hi_80": money[2],
        "leads_per_week": leads[0], "leads_lo_80": leads[1], "leads_hi_80": leads[2],
        "spend_per_week": spend * change,
        "cpl_after": after[0], "cpl_after_lo_80": after[2], "cpl_after_hi_80": after[1],
    }  # fmt: skip
    placed = frame.with_columns(pl.Series(name, values) for name, values in columns.items())
    kind = pl.col("recommendation_type")
    per_week = pl.col("test_gain")
    return (
        placed.with_columns(
            money_per_week=pl.when(kind == "CREATIVE_TEST")
            .then(per_week)
            .when(pl.col("rule") == "audience_overlap")
            .then(None)
            .otherwise("money_per_week"),
        )
        .with_columns(
            pl.when(kind.is_in(("CREATIVE_TEST", "AUDIENCE_REVIEW")) & pl.col("_factor").is_null())
            .then(None)
            .otherwise(name)
            .alias(name)
            for name in columns
            if name != "money_per_week"
        )
        .with_columns(
            pl.when((kind == "PAUSE") | pl.col("_factor").is_null()).then(None).otherwise(name).alias(name)
            for name in ("cpl_after", "cpl_after_lo_80", "cpl_after_hi_80")
        )
        .with_columns(pl.col(*columns).fill_nan(None))
        .with_columns(
            budget=pl.when(pl.col("step").is_not_null()).then(
                pl.coalesce("daily_budget", pl.col("spend_7d") / 7.0)
            )
        )
        .with_columns(budget_after=pl.col("budget") * (1.0 + pl.col("step")))
        .drop(name for name in placed.columns if name.startswith("_"))
    )


def _base() -> list[pl.Expr]:
    """Weekly spend and the posterior that counts: of the record for what stands still."""
    paused = pl.col("recommendation_type") == "REACTIVATE"
    return [
        pl.when(paused)
        .then(7.0 * pl.col("record_spend") / pl.col("record_days"))
        .otherwise("spend_7d")
        .fill_null(0.0)
        .alias("_weekly_spend"),
        pl.when(paused).then("record_shape").otherwise("shape").alias("_shape"),
        pl.when(paused).then("record_rate").otherwise("rate").alias("_rate"),
    ]


def _leads_factor(policy: Policy) -> list[pl.Expr]:
    """Change of leads as a multiple of r times the present spend over T: mean and standard deviation."""
    kind, step = pl.col("recommendation_type"), pl.col("step")
    is_ad = pl.col("entity_type") == EntityType.AD.value
    elasticity, spread = policy.elasticity, policy.elasticity_sd

    def answer(change: pl.Expr) -> pl.Expr:
        return (1.0 + change) ** elasticity - 1.0

    def answer_sd(change: pl.Expr) -> pl.Expr:
        return ((1.0 + change) ** elasticity * (1.0 + change).log() * spread).abs()

    room = pl.lit(SHIFT)
    winner = pl.when(pl.col("siblings") > 0).then(room)
    growth = pl.when(is_ad).then(room).otherwise(step)
    lost = -pl.col("lead_rate_change").clip(-0.9, 0.0)
    mean = (
        pl.when(kind == "PAUSE")
        .then(-1.0)
        .when(kind.is_in(("SCALE_UP", "BUDGET_INCREASE", "BUDGET_DECREASE")))
        .then(answer(growth))
        .when(kind == "AUDIENCE_EXPANSION")
        .then(answer(room))
        .when(kind == "CREATIVE_WINNER")
        .then(answer(winner))
        .when(kind == "REACTIVATE")
        .then(1.0)
        .when(kind == "CREATIVE_REFRESH")
        .then(TIRED_LOSS * pl.col("fatigue_score") / 100.0)
        .when((kind == "AUDIENCE_REVIEW") & (pl.col("rule") == "lead_rate_fell"))
        .then(RECOVERY * lost / (1.0 - lost))
        .when(kind == "AUDIENCE_NARROWING")
        .then(RECOVERY * (1.0 / pl.col("cvr_vs_parent").clip(0.2, 1.0) - 1.0))
    )
    deviation = (
        pl.when(kind.is_in(("SCALE_UP", "BUDGET_INCREASE", "BUDGET_DECREASE")))
        .then(answer_sd(growth))
        .when(kind.is_in(("AUDIENCE_EXPANSION", "CREATIVE_WINNER")))
        .then(answer_sd(room))
        .when(kind.is_in(("CREATIVE_REFRESH", "AUDIENCE_REVIEW", "AUDIENCE_NARROWING")))
        .then(mean.abs() * 0.5)
        .otherwise(0.0)
    )
    return [mean.alias("_factor"), deviation.alias("_factor_sd")]


def _spend_factor() -> pl.Expr:
    """Change of spend as a share of the present spend; nothing where money only moves between siblings."""
    kind = pl.col("recommendation_type")
    grows = kind.is_in(("SCALE_UP", "BUDGET_INCREASE", "BUDGET_DECREASE"))
    return (
        pl.when(kind == "PAUSE")
        .then(-1.0)
        .when(kind == "REACTIVATE")
        .then(1.0)
        .when(grows)
        .then(pl.col("step").fill_null(SHIFT))
        .when(kind == "AUDIENCE_EXPANSION")
        .then(SHIFT)
        .otherwise(0.0)
        .fill_null(0.0)
        .alias("_spend_change")
    )


def _fixed_leads() -> pl.Expr:
    """Leads that the siblings lose who give the money, in multiples of the present spend over T."""
    kind = pl.col("recommendation_type")
    return pl.when(kind == "CREATIVE_WINNER").then(-SHIFT * pl.col("_around")).otherwise(0.0).alias("_fixed")


def _by_rate(
    effect: tuple[FloatArray, FloatArray, FloatArray], factor: FloatArray, shape: FloatArray, rate: FloatArray
) -> list[tuple[FloatArray, FloatArray]]:
    """The effect with the r it goes with, at the median, the low and the high end of r.

    Where it takes leads it takes most at the highest r. The median, since a CPL is told by its median.
    """
    middle, lowest, highest = (gammaincinv(shape, p) / rate for p in (0.5, _LOW, _HIGH))
    takes = factor < 0
    _, low, high = effect
    return [
        (factor * middle, middle),
        (np.where(takes, high, low), lowest),
        (np.where(takes, low, high), highest),
    ]


def _product(
    shape: FloatArray, rate: FloatArray, factor: FloatArray, factor_sd: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean and 80 % interval of factor * r, r ~ Gamma(shape, rate), lower end first."""
    mean = factor * shape / rate
    with np.errstate(divide="ignore", invalid="ignore"):
        own = 1.0 / shape
        relative = np.where(factor != 0, factor_sd / np.abs(factor), 0.0) ** 2
    joint = 1.0 / (own + relative * (1.0 + own))
    ends = [mean * gammaincinv(joint, p) / joint for p in (_LOW, _HIGH)]
    return mean, np.minimum(*ends), np.maximum(*ends)
