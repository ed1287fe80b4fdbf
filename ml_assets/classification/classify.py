"""The tier of every entity of a level on any number of dates, by the Bayesian classifier."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from ml_assets.classification.bands import (
    INSUFFICIENT_DATA,
    TIERS,
    band_masses,
    boundary_probabilities,
    median_band,
)
from ml_assets.classification.hysteresis import REPLAY_DAYS, replay
from ml_assets.entities import EntityType
from ml_assets.errors import NotReadyError
from ml_assets.features.compute import MOST_CELLS
from ml_assets.features.estimates import (
    FLOOR_DELIVERY_DAYS,
    FLOOR_EXPECTED,
    FLOOR_LEADS,
    LevelEstimates,
    estimate,
    grid_for,
    is_under_floor,
)
from ml_assets.features.grid import LevelGrid, TreeGrid
from ml_assets.features.inputs import LOOKBACK_DAYS as FEATURE_LOOKBACK_DAYS
from ml_assets.features.inputs import FeatureInputs
from ml_assets.frames import KEY, UTC, Schema, empty, fill_missing
from ml_assets.local_days import day_end, local_date, zones_of

LOOKBACK_DAYS = FEATURE_LOOKBACK_DAYS + REPLAY_DAYS
"""Days before a date that its classification reads: the features' own, for each date that is replayed."""

MODEL_VERSION = "bayes-1"

ATTRIBUTION_BREAK_DAYS = 7
"""Days after a change of the attribution setting on which no tier is named."""

CLASSIFICATIONS: Schema = {
    **KEY,
    "parent_id": pl.String(),
    "classification_date": pl.Date(),
    "tier": pl.String(),
    "confidence_score": pl.Float64(),
    "probabilities": pl.String(),
    "needs": pl.String(),
    "previous_tier": pl.String(),
    "tier_change_direction": pl.String(),
    "days_in_tier": pl.Int64(),
    "metrics_snapshot": pl.String(),
    "feature_importances": pl.String(),
    "reason": pl.String(),
    "model_version": pl.String(),
    "classified_at": UTC,
    "valid_until": UTC,
}
"""`probabilities`, `needs`, `metrics_snapshot` and `feature_importances` are JSON texts."""

SNAPSHOT = (
    "spend_7d", "leads_7d", "cpl_7d", "ctr_7d", "spend_14d", "leads_14d", "cpl_14d", "target_cpl",
    "expected_leads", "maturity", "cpl_shrunk", "cpl_shrunk_lo_80", "cpl_shrunk_hi_80",
    "leads_trend_probability",
)  # fmt: skip
"""Features kept with a classification, as they were when it was made."""


def classify(
    inputs: FeatureInputs, entity_type: EntityType, dates: Sequence[dt.date], features: pl.DataFrame
) -> pl.DataFrame:
    """Classify every entity of `features` (schema `FEATURES`, this level and dates), as `CLASSIFICATIONS`.

    `inputs.metrics` reaches `LOOKBACK_DAYS` back. Sorted by account, entity and date. Raises NotReadyError
    where a date has figures of the level but no features.
    """
    wanted = sorted(set(dates))
    own = features.filter(pl.col("entity_type") == entity_type.value, pl.col("feature_date").is_in(wanted))
    _require_features(inputs, entity_type, wanted, own)
    if own.is_empty():
        return empty(CLASSIFICATIONS)
    replayed = sorted({day - dt.timedelta(days=back) for day in wanted for back in range(REPLAY_DAYS)})
    tree = grid_for(inputs, entity_type, replayed)
    entities = max(1, tree.levels[entity_type].keys.height)
    step = max(1, MOST_CELLS // entities - REPLAY_DAYS)
    return pl.concat(
        _classified(inputs, tree, entity_type, wanted[first : first + step], own)
        for first in range(0, len(wanted), step)
    ).sort("config_id", "entity_id", "classification_date")


def _require_features(
    inputs: FeatureInputs, entity_type: EntityType, dates: Sequence[dt.date], own: pl.DataFrame
) -> None:
    figures = inputs.metrics.filter(
        pl.col("entity_type") == entity_type.value, pl.col("date").is_in(dates), pl.col("impressions") > 0
    )["date"].unique()
    missing = sorted(set(figures) - set(own["feature_date"].unique()))
    if missing:
        raise NotReadyError(
            f"The features of {entity_type.value}s for {missing[0]}"
            f"{f' and {len(missing) - 1} more dates' if len(missing) > 1 else ''} are not there: materialize"
            f" `features` for the same partitions first"
        )


def _classified(
    inputs: FeatureInputs,
    tree: TreeGrid,
    entity_type: EntityType,
    dates: Sequence[dt.date],
    own: pl.DataFrame,
) -> pl.DataFrame:
    replayed = sorted({day - dt.timedelta(days=back) for day in dates for back in range(REPLAY_DAYS)})
    known = estimate(inputs, entity_type, replayed, tree=tree).levels[entity_type]
    shape, rate = known.rate.shape, known.rate.rate
    below = boundary_probabilities(shape, rate)
    broken = attribution_breaks(inputs, known.level, replayed)
    asked = np.array([replayed.index(day) for day in dates], dtype=np.int64)
    history = replay(below, median_band(shape, rate), is_under_floor(known), broken, asked)
    masses = band_masses(below[:, :, asked])
    names = np.array([*TIERS, INSUFFICIENT_DATA])
    shown = np.take_along_axis(masses, np.maximum(history.tier, 0)[None], axis=0)[0]
    columns: dict[str, np.ndarray] = {
        "tier": names[history.tier],
        "previous_tier": names[history.previous],
        "days_in_tier": history.days,
        "confidence_score": np.where(history.tier >= 0, shown, np.nan),
        "tier_index": history.tier,
        "previous_index": history.previous,
        "is_broken": broken[:, asked],
        **{name: masses[index] for index, name in enumerate(TIERS)},
        **_evidence(known, asked),
    }
    rows = known.level.keys.height
    day_column = pl.Series(list(dates), dtype=pl.Date)
    frame = (
        known.level.keys.select("config_id", "entity_id")[np.repeat(np.arange(rows), len(dates))]
        .with_columns(feature_date=day_column.gather(np.tile(np.arange(len(dates)), rows)))
        .with_columns(pl.Series(name, values.ravel()) for name, values in columns.items())
        .with_columns(pl.col(pl.Float64).fill_nan(None))
    )
    joined = own.join(frame, on=["config_id", "entity_id", "feature_date"], how="inner", suffix="_now")
    return _finish(joined, inputs.accounts)


def _evidence(known: LevelEstimates, asked: np.ndarray) -> dict[str, np.ndarray]:
    """What moved the posterior mean away from T, split into the entity's own record and its surroundings.

    mean - 1 = w (own rate - 1) + (1 - w) (prior mean - 1), with w the share of own exposure in the rate.
    """
    rate, prior_mean = known.rate.rate[:, asked], known.rate.prior_mean[:, asked]
    prior_rate = known.rate.prior_shape[:, asked] / prior_mean
    own_weight = 1.0 - prior_rate / rate
    own_pull = known.rate.mean[:, asked] - 1.0 - (1.0 - own_weight) * (prior_mean - 1.0)
    other_pull = (1.0 - own_weight) * (prior_mean - 1.0)
    total = np.maximum(np.abs(own_pull) + np.abs(other_pull), 1e-12)
    return {"own_share": np.abs(own_pull) / total, "own_pull": own_pull, "other_pull": other_pull}


def attribution_breaks(inputs: FeatureInputs, level: LevelGrid, dates: Sequence[dt.date]) -> np.ndarray:
    """Where the attribution setting of the entity's adset (of any of a campaign's) changed within 7 days."""
    broken = np.zeros((level.keys.height, len(dates)), dtype=bool)
    settings = (
        inputs.versions.filter(pl.col("entity_type") == EntityType.ADSET.value)
        .with_columns(setting=pl.col("fields").str.json_path_match("$.attribution_setting"))
        .filter(pl.col("setting").is_not_null())
        .sort("config_id", "entity_id", "known_at")
        .with_columns(before=pl.col("setting").shift(1).over("config_id", "entity_id"))
        .filter(pl.col("before").is_not_null() & (pl.col("before") != pl.col("setting")))
    )
    if settings.is_empty():
        return broken
    adsets = inputs.entities.filter(pl.col("entity_type") == EntityType.ADSET.value).select(
        "config_id", adset=pl.col("entity_id"), campaign=pl.col("parent_id")
    )
    keys = level.keys.with_row_index("row")
    match level.entity_type:
        case EntityType.CAMPAIGN:
            placed = adsets.join(keys, left_on=["config_id", "campaign"], right_on=["config_id", "entity_id"])
        case EntityType.ADSET:
            placed = adsets.join(keys, left_on=["config_id", "adset"], right_on=["config_id", "entity_id"])
        case EntityType.AD:
            placed = adsets.join(keys, left_on=["config_id", "adset"], right_on=["config_id", "parent_id"])
    zones = inputs.accounts.select("config_id", pl.col("timezone").fill_null("UTC"))
    on_day = local_date(pl.col("known_at"), pl.col("timezone"), zones_of(inputs.accounts))
    changes = (
        settings.join(zones, on="config_id")
        .select("config_id", pl.col("entity_id").alias("adset"), changed=on_day)
        .join(placed, on=["config_id", "adset"])
        .join(pl.DataFrame({"date": list(dates)}).with_row_index("column"), how="cross")
        .with_columns(since=(pl.col("date") - pl.col("changed")).dt.total_days())
        .filter(pl.col("since").is_between(0, ATTRIBUTION_BREAK_DAYS - 1))
    )
    broken[changes["row"].to_numpy(), changes["column"].to_numpy()] = True
    return broken


def _finish(frame: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Judged rows in the schema `CLASSIFICATIONS`; texts and JSON are made here."""
    judged = pl.col("seeks_leads").fill_null(value=True)
    insufficient = pl.col("tier") == INSUFFICIENT_DATA
    named_before = (pl.col("tier_index") >= 0) & (pl.col("previous_index") >= 0)
    zones = accounts.select("config_id", pl.col("timezone").fill_null("UTC"))
    leads = pl.col("leads_14d").fill_null(0)
    has_posterior = pl.col("posterior_shape").is_not_null()
    frame = frame.join(zones, on="config_id", how="left").with_columns(
        needs=pl.when(insufficient & judged).then(
            pl.struct(
                spend=((FLOOR_EXPECTED - pl.col("expected_leads")) * pl.col("target_cpl")).clip(0.0).round(2),
                leads=(FLOOR_LEADS - leads).clip(0),
                delivery_days=(FLOOR_DELIVERY_DAYS - pl.col("delivery_days_14d")).clip(0),
            ).struct.json_encode()
        ),
        reason=pl.when(~judged)
        .then(pl.lit("Leads are not the goal of this entity, so it is not judged by its CPL."))
        .when(insufficient)
        .then(_why_insufficient()),
    )
    return fill_missing(
        frame.with_columns(
            classification_date="feature_date",
            tier=pl.when(judged).then("tier"),
            previous_tier=pl.when(judged).then("previous_tier"),
            days_in_tier=pl.when(judged).then("days_in_tier"),
            confidence_score=pl.when(judged & has_posterior).then("confidence_score"),
            probabilities=pl.when(judged & has_posterior).then(pl.struct(*TIERS).struct.json_encode()),
            tier_change_direction=pl.when(judged & named_before).then(
                pl.when(pl.col("tier_index") < pl.col("previous_index"))
                .then(pl.lit("up"))
                .when(pl.col("tier_index") > pl.col("previous_index"))
                .then(pl.lit("down"))
                .otherwise(pl.lit("same"))
            ),
            metrics_snapshot=pl.struct(SNAPSHOT).struct.json_encode(),
            feature_importances=pl.when(judged & has_posterior).then(_importances()),
            model_version=pl.lit(MODEL_VERSION),
            classified_at="generated_at",
            valid_until=day_end(
                pl.col("feature_date").dt.offset_by("1d"),
                pl.col("timezone"),
                zones["timezone"].unique().sort().to_list(),
            ),
        ),
        CLASSIFICATIONS,
    )


def _why_insufficient() -> pl.Expr:
    """One sentence on what is missing."""
    return (
        pl.when("is_broken")
        .then(
            pl.lit("The attribution setting changed within 7 days: figures before and after do not compare.")
        )
        .when(pl.col("target_cpl").is_null())
        .then(
            pl.lit(
                "There is no target CPL and no lead in the account to measure one by: set one with"
                " `ml-assets accounts set CONFIG_ID --target-cpl AMOUNT`."
            )
        )
        .when(pl.col("delivery_days_14d") < FLOOR_DELIVERY_DAYS)
        .then(pl.format("Delivered on {} of the last 14 days; a tier needs 3.", "delivery_days_14d"))
        .otherwise(
            pl.format(
                "{} leads where {} were expected at target in 14 days; a tier needs 2 expected or 3 leads.",
                pl.col("leads_14d").fill_null(0),
                pl.col("expected_leads").round(1),
            )
        )
    )


def _importances() -> pl.Expr:
    """JSON of what moved the estimate away from the target, largest first, each with its share and words."""
    own = pl.struct(
        what=pl.lit("own record"),
        share=pl.col("own_share").round(3),
        direction=pl.when(pl.col("own_pull") >= 0).then(pl.lit("better")).otherwise(pl.lit("worse")),
        says=pl.format(
            "{} leads where {} were expected at target",
            pl.col("leads_14d").fill_null(0),
            pl.col("expected_leads").round(1),
        ),
    )
    others = pl.struct(
        what=pl.lit("siblings and levels above"),
        share=(1.0 - pl.col("own_share")).round(3),
        direction=pl.when(pl.col("other_pull") >= 0).then(pl.lit("better")).otherwise(pl.lit("worse")),
        says=pl.format("they bring leads at {} x the target rate", pl.col("prior_mean").round(2)),
    )
    return (
        pl.when(pl.col("own_share") >= 0.5)  # noqa: PLR2004 - the larger half
        .then(pl.struct(first=own, second=others))
        .otherwise(pl.struct(first=others, second=own))
        .struct.json_encode()
    )
