"""The features of a whole level on any number of dates: `compute_features` and nothing else.

Everything is a matrix of entities x dates until the last step, which lays the matrices out as one row per
entity and date.
"""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.special import gammaincinv

from ml_assets.entities import EntityType
from ml_assets.entity_features import FEATURES, WINDOW_DAYS
from ml_assets.features.dispersion import count_dispersion
from ml_assets.features.estimates import LevelEstimates, TreeEstimates, estimate, grid_for, is_under_floor
from ml_assets.features.fatigue import fatigue_columns
from ml_assets.features.grid import FloatArray, TreeGrid, window_sum
from ml_assets.features.inputs import FeatureInputs
from ml_assets.features.overlap import METHOD, overlap_columns
from ml_assets.features.siblings import rank_probabilities
from ml_assets.features.states import entity_states
from ml_assets.features.trends import lead_weeks
from ml_assets.features.windows import (
    share_columns,
    weekday_columns,
    window_columns,
    window_expressions,
)
from ml_assets.frames import empty, fill_missing

PRESENT_DAYS = 90
"""An entity has features while it is active or has delivered within so many days."""

MOST_CELLS = 500_000
"""Entities x dates worked on at once; bounds the memory of a long range."""

DATA_AS_OF_DAYS = 29
"""The newest reading among so many days is the moment a row's data are as of: Meta restates 28 days."""

SIBLING_MIN_DAYS = 3
"""Delivery days in 7 from which a sibling is compared with."""

_LOW, _HIGH = 0.1, 0.9


def compute_features(
    inputs: FeatureInputs, entity_type: EntityType, dates: Sequence[dt.date]
) -> pl.DataFrame:
    """Features of every entity of a level on each of `dates`, in the schema `FEATURES`.

    One row per entity and date for entities that are active or delivered within `PRESENT_DAYS`; sorted by
    account, entity and date. A row uses figures up to its date only, and does not depend on which other
    dates are asked for. Without any figures the frame is empty.
    """
    wanted = sorted(set(dates))
    if not wanted or inputs.accounts.is_empty():
        return empty(FEATURES)
    tree = grid_for(inputs, entity_type, wanted)
    entities = tree.levels[entity_type].keys.height
    if not entities:
        return empty(FEATURES)
    step = max(1, MOST_CELLS // entities)
    return pl.concat(
        _features_of(inputs, tree, entity_type, wanted[first : first + step])
        for first in range(0, len(wanted), step)
    ).sort("config_id", "entity_id", "feature_date")


def _features_of(
    inputs: FeatureInputs, tree: TreeGrid, entity_type: EntityType, dates: Sequence[dt.date]
) -> pl.DataFrame:
    estimates = estimate(inputs, entity_type, dates, tree=tree)
    own = estimates.levels[entity_type]
    level, at = own.level, estimates.at
    state = entity_states(inputs, tree, entity_type, dates)
    columns: dict[str, np.ndarray] = dict(window_columns(level, estimates.maturity, at))
    columns |= weekday_columns(level, tree, at)
    columns |= _estimate_columns(own)
    columns["leads_trend_probability"] = lead_weeks(own, columns.__getitem__).fell_below()
    delivering = columns["delivery_days_7d"] >= SIBLING_MIN_DAYS
    if entity_type.parent is not None:
        columns |= share_columns(level, tree.levels[entity_type.parent], at)
        columns |= _sibling_columns(own, delivering)
    columns["maturity_assumed"] = level.account.spread(estimates.maturity.assumed.astype(np.float64)) > 0
    columns["leads_overdispersion"] = own.dispersion
    if entity_type is EntityType.AD:
        columns |= _fatigue(estimates, state, len(dates))
    delivered_lately = window_sum(level.values["rows"], at, PRESENT_DAYS) > 0
    frame = lay_out(level.keys, dates, columns | {"delivered_lately": delivered_lately}).with_columns(
        entity_type=pl.lit(entity_type.value)
    )
    frame = frame.join(
        state.filter(pl.col("entity_type") == entity_type.value).select(
            "row", "column", "is_active", "daily_budget", "lifetime_budget", "has_budget", "budget_owner"
        ),
        on=["row", "column"],
        how="left",
        maintain_order="left",
    ).filter(pl.col("delivered_lately") | pl.col("is_active").fill_null(value=False))
    frame = frame.with_columns(window_expressions())
    if entity_type is EntityType.ADSET:
        siblings = state.filter(pl.col("entity_type") == entity_type.value)
        overlap = overlap_columns(level, at, siblings)
        frame = frame.join(overlap, on=["row", "column"], how="left").with_columns(
            overlap_method=pl.when(pl.col("audience_overlap_score").is_not_null()).then(pl.lit(METHOD))
        )
    frame = _with_weekly_reach(frame, inputs.metrics, entity_type)
    return _finish(frame, inputs.metrics)


def _estimate_columns(own: LevelEstimates) -> dict[str, np.ndarray]:
    """The hierarchical estimate as columns; NaN where T is unknown or leads are not the goal."""
    shape, rate = own.rate.shape, own.rate.rate
    judged = own.seeks_leads[:, None] & (own.target > 0)

    def cpl_at(probability: float) -> FloatArray:
        return np.where(judged, own.target * rate / gammaincinv(shape, probability), np.nan)

    weight = own.ctr_alpha + own.ctr_beta
    cvr_known = judged & ~np.isnan(own.cvr_scale)
    return {
        "target_cpl": own.target,
        "target_source": own.target_source,
        "seeks_leads": np.broadcast_to(own.seeks_leads[:, None], shape.shape),
        "cpl_shrunk": cpl_at(0.5),
        "cpl_shrunk_lo_80": cpl_at(_HIGH),
        "cpl_shrunk_hi_80": cpl_at(_LOW),
        "expected_leads": np.where(judged, own.expected, np.nan),
        "maturity": own.maturity,
        "posterior_shape": np.where(judged, shape, np.nan),
        "posterior_rate": np.where(judged, rate, np.nan),
        "prior_mean": np.where(judged, own.rate.prior_mean, np.nan),
        "prior_shape": np.where(judged, own.rate.prior_shape, np.nan),
        "ctr_shrunk": own.ctr_alpha / weight,
        "ctr_weight": weight,
        "cvr_shrunk": np.where(cvr_known, own.cvr.mean * own.cvr_scale, np.nan),
        "cvr_shape": np.where(cvr_known, own.cvr.shape, np.nan),
        "insufficient_data": is_under_floor(own),
    }


def _sibling_columns(own: LevelEstimates, delivering: np.ndarray) -> dict[str, FloatArray]:
    """performance_vs_siblings, prob_best_sibling and prob_worst_sibling."""
    level = own.level
    eligible = delivering & own.seeks_leads[:, None] & (own.target > 0)
    best, worst = rank_probabilities(own.rate.shape, own.rate.rate, eligible, level.parent)
    spend = np.nan_to_num(own.expected * own.target)
    leads = np.where(own.seeks_leads[:, None], np.nan_to_num(own.leads), 0.0)
    others_spend = level.parent.spread(level.parent.total(spend)) - spend
    others_leads = level.parent.spread(level.parent.total(leads)) - leads
    company = level.parent.spread(level.parent.total(eligible.astype(np.float64))) - eligible
    others_cpl = np.divide(
        others_spend, others_leads, out=np.full_like(spend, np.nan), where=(others_leads > 0) & (company > 0)
    )
    cpl = own.target * own.rate.rate / gammaincinv(own.rate.shape, 0.5)
    compared = own.seeks_leads[:, None] & (others_cpl > 0)
    return {
        "performance_vs_siblings": np.where(compared, (others_cpl - cpl) / others_cpl, np.nan),
        "prob_best_sibling": best,
        "prob_worst_sibling": worst,
    }


def _fatigue(estimates: TreeEstimates, state: pl.DataFrame, dates: int) -> dict[str, np.ndarray]:
    """Fatigue of the ads; the adset's learning state comes from `state`."""
    own = estimates.levels[EntityType.AD]
    adsets = estimates.levels[EntityType.ADSET].level
    learning = np.zeros((adsets.keys.height, dates), dtype=np.bool_)
    in_learning = state.filter(
        pl.col("entity_type") == EntityType.ADSET.value,
        pl.col("learning_status") == "LEARNING",
        pl.col("row").is_not_null(),
    )
    learning[in_learning["row"].to_numpy(), in_learning["column"].to_numpy()] = True
    seen = own.level.where_known("clicks")
    dispersion = count_dispersion(
        seen, estimates.at, "clicks", "impressions", estimates.tree.start.isoweekday()
    )
    return fatigue_columns(seen, estimates.at, own.expected, dispersion, learning[own.level.parent.index])


def lay_out(keys: pl.DataFrame, dates: Sequence[dt.date], columns: dict[str, np.ndarray]) -> pl.DataFrame:
    """Matrices (entities, dates) as one row per entity and date; NaN becomes null."""
    entities = keys.height
    row = np.repeat(np.arange(entities), len(dates))
    frame = keys[row].with_columns(
        row=pl.Series(row),
        column=pl.Series(np.tile(np.arange(len(dates)), entities)),
        feature_date=pl.Series(list(dates), dtype=pl.Date).gather(np.tile(np.arange(len(dates)), entities)),
    )
    laid_out = frame.with_columns(
        pl.Series(name, values.ravel().astype(str) if values.dtype.kind in "UO" else values.ravel())
        for name, values in columns.items()
    ).with_columns(pl.col(pl.Float64).fill_nan(None))
    if "fatigue_verdict" not in columns:
        return laid_out
    return laid_out.with_columns(pl.col("fatigue_verdict").replace("", None))


def _with_weekly_reach(frame: pl.DataFrame, metrics: pl.DataFrame, entity_type: EntityType) -> pl.DataFrame:
    weekly = metrics.filter(
        pl.col("entity_type") == entity_type.value, pl.col("reach_7d").is_not_null()
    ).select("config_id", "entity_id", pl.col("date").alias("feature_date"), "reach_7d", "frequency_7d")
    return frame.join(weekly, on=["config_id", "entity_id", "feature_date"], how="left")


def data_as_of(metrics: pl.DataFrame) -> pl.DataFrame:
    """config_id, date, generated_at: the newest reading among the days that a date rests on, by date."""
    return (
        metrics.filter(pl.col("entity_type") == EntityType.CAMPAIGN.value)
        .group_by("config_id", "date")
        .agg(pl.col("known_at").max())
        .sort("config_id", "date")
        .rolling("date", period=f"{DATA_AS_OF_DAYS}d", group_by="config_id")
        .agg(generated_at=pl.col("known_at").max())
        .sort("date")
    )


def _finish(frame: pl.DataFrame, metrics: pl.DataFrame) -> pl.DataFrame:
    """The frame in the schema `FEATURES`, with `extra` and the moment its data are as of."""
    as_of = data_as_of(metrics)
    frame = frame.sort("feature_date").join_asof(
        as_of,
        left_on="feature_date",
        right_on="date",
        by="config_id",
        strategy="backward",
        check_sortedness=False,
    )
    return fill_missing(
        frame.with_columns(
            window_days=pl.lit(WINDOW_DAYS),
            extra=pl.struct("maturity_assumed", pl.col("leads_overdispersion").round(4)).struct.json_encode(),
        ),
        FEATURES,
    )
