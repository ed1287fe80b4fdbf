"""The last step of a decision: what each row was decided on, and what would change our mind."""

import numpy as np
import polars as pl
from scipy.special import gammainc, gammainccinv, gammaincinv

from ml_assets.features.compute import data_as_of
from ml_assets.features.estimates import ESTIMATE_DAYS
from ml_assets.features.grid import FloatArray
from ml_assets.frames import empty, fill_missing
from ml_assets.recommendations.frames import DECISIONS
from ml_assets.recommendations.policy import Policy

_MOST_TURN_LEADS = 200


def finished(frame: pl.DataFrame, metrics: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """The rows in the schema `DECISIONS`, at most `policy.candidates` of an entity and date."""
    if frame.is_empty():
        return empty(DECISIONS)
    day = ["config_id", "entity_id", "recommendation_date"]
    issued_first = pl.struct(
        pl.col("was_detected").not_(),
        pl.col("blocked_by").is_not_null(),
        -pl.col("money_per_week").fill_null(0),
    )
    frame = frame.filter(issued_first.rank("ordinal").over(day) <= int(policy.candidates))
    as_of = data_as_of(metrics)
    frame = frame.sort("recommendation_date").join_asof(
        as_of,
        left_on="recommendation_date",
        right_on="date",
        by="config_id",
        strategy="backward",
        check_sortedness=False,
    )
    judged = pl.col("target_cpl").is_not_null()
    frame = _with_basis(frame, policy).with_columns(
        data_as_of="generated_at",
        expires_on=pl.col("recommendation_date").dt.offset_by(f"{int(policy.case_days)}d"),
        paused_days=pl.when(pl.col("recommendation_type") == "REACTIVATE").then("paused_days").cast(pl.Int64),
        delivery_days_14d=pl.col("delivery_days_14d").cast(pl.Int64),
        siblings=pl.col("siblings").cast(pl.Int64),
        siblings_cpl=pl.when(judged & (pl.col("others_mean") > 0)).then(
            pl.col("target_cpl") / pl.col("others_mean")
        ),
    )
    return fill_missing(_with_turning_points(frame, policy), DECISIONS)


def _with_basis(frame: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """What each row was decided on: 14 days, the longer record where that was surer, or that of a pause."""
    paused = pl.col("recommendation_type") == "REACTIVATE"
    on_14_days = pl.coalesce(
        pl.when(pl.col("rule") == rule).then(name)
        for rule, name in (("hopeless_cpl", "p_dear_pause"), ("high_cpl", "p_dear_decrease"))
        if name in frame.columns
    )
    longer = (pl.col("probability") > on_14_days).fill_null(value=False)

    def basis(of_pause: pl.Expr, of_record: pl.Expr, otherwise: pl.Expr) -> pl.Expr:
        return pl.when(paused).then(of_pause).when(longer).then(of_record).otherwise(otherwise)

    placed = frame.with_columns(
        days=basis(
            pl.col("record_days"), pl.lit(ESTIMATE_DAYS + policy.older_days), pl.lit(ESTIMATE_DAYS)
        ).cast(pl.Int64),
        leads=basis(pl.col("record_leads"), pl.col("longer_leads"), pl.col("leads")).cast(pl.Int64),
        spend=basis(pl.col("record_spend"), pl.col("longer_spend"), pl.col("spend")),
        expected_leads=basis(
            pl.col("record_spend") / pl.col("target_cpl"),
            pl.col("longer_spend") / pl.col("target_cpl"),
            pl.col("expected_leads"),
        ),
    )
    shape, rate = (
        frame.select(value=basis(*(pl.col(f"{prefix}{name}") for prefix in ("record_", "longer_", ""))))[
            "value"
        ]
        .cast(pl.Float64)
        .to_numpy()
        for name in ("shape", "rate")
    )
    quantiles = {"cpl": 0.5, "cpl_lo_80": 0.9, "cpl_hi_80": 0.1}
    return placed.with_columns(
        pl.Series(name, rate / gammaincinv(shape, at)).fill_nan(None) * pl.col("target_cpl")
        for name, at in quantiles.items()
    ).with_columns(pl.when(pl.col("seeks_leads")).then(name).alias(name) for name in quantiles)


def _with_turning_points(frame: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """turn_leads and turn_spend: what would take the probability of the rule below its lower threshold.

    On 14 days: a longer record does not hold a rule that these object to.
    """
    above = {
        "hopeless_cpl": policy.pause_cpl,
        "high_cpl": policy.budget_decrease_cpl,
        "dear_though_clicked": policy.narrowing_cpl,
    }
    below = {"low_cpl": 1.0, "solid_cpl": 1.0, "cheap_but_small": policy.expansion_cpl}
    shape = frame["shape"].to_numpy().astype(np.float64)
    rate = frame["rate"].to_numpy().astype(np.float64)
    widening = frame["dispersion"].to_numpy().astype(np.float64)

    def bound(of: dict[str, float]) -> FloatArray:
        column = frame["rule"].replace_strict(of, default=None, return_dtype=pl.Float64)
        return column.to_numpy().astype(np.float64)

    dear, cheap = bound(above), bound(below)
    leads = np.full(shape.size, np.nan)
    for count in range(_MOST_TURN_LEADS, 0, -1):
        turned = gammainc(shape + count / widening, rate / dear) < policy.withdraw
        leads = np.where(turned, count, leads)
        if not turned.any():
            break
    spend = widening * (cheap * gammainccinv(shape, policy.withdraw) - rate)
    return frame.with_columns(
        turn_leads=pl.Series(leads).fill_nan(None).cast(pl.Int64),
        turn_spend=pl.Series(np.maximum(spend, 0.0)).fill_nan(None) * pl.col("target_cpl"),
    )
