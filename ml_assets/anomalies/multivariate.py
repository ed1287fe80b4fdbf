"""Entities whose metrics together look unlike all others of their level: one more voice, never an alarm.

One Isolation Forest (Liu, Ting and Zhou, 2008) per account and level, grown on some weeks before the dates it
scores. What its deviations are measured against is made elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ml_assets.anomalies.frames import ANOMALIES
from ml_assets.entities import EntityType
from ml_assets.frames import conform, empty, fill_missing

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

FEATURES = ("spend", "cpm", "ctr", "cvr", "cpl")
"""Metrics whose deviations make up the point of an entity."""

DEVIATIONS = {
    "config_id": pl.Int64(),
    "entity_type": pl.String(),
    "entity_id": pl.String(),
    "parent_id": pl.String(),
    "date": pl.Date(),
    **{f"{name}_log_ratio": pl.Float64() for name in FEATURES},  # log observed/expected; null: unknown
    **{f"{name}_z": pl.Float64() for name in FEATURES},
    "money": pl.Float64(),  # at stake that day, account currency
    "p_value": pl.Float64(),  # the smallest over its metrics, two-sided
}
"""What `performance_voice` is given: one row per entity and date."""


@dataclass(frozen=True, kw_only=True)
class ForestSettings:
    """The forest, and from when an entity is a voice."""

    least_entities: int = 30
    """Entities with data an account needs at the level."""
    trees: int = 100
    sample: int = 256
    """Entities each tree is grown on, at most."""
    clip: float = 3.0
    """Natural log beyond which a deviation is not larger; 20-fold."""
    score: float = 0.6
    """Score of Liu et al. above which an entity stands apart: 1 at once, 0.5 like everybody."""
    p_value: float = 1e-2
    """At least one of its metrics deviates so unlikely by itself, two-sided."""


def grow_forests(
    usual: pl.DataFrame,
    entity_type: EntityType,
    *,
    seed: int = 7,
    settings: ForestSettings | None = None,
) -> dict[int, "IsolationForest"]:
    """config_id -> the forest of a level, grown on the days of `usual` (DEVIATIONS) together.

    Accounts with fewer than `least_entities` entities on those days have none. The order of the rows does not
    matter.
    """
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - takes longer to import than to run

    settings = settings or ForestSettings()
    level = EntityType(entity_type).value
    points = _points(conform(usual, DEVIATIONS, "deviations"), level, settings)
    forests: dict[int, IsolationForest] = {}
    for (config_id,), group in points.group_by("config_id", maintain_order=True):
        if group["entity_id"].n_unique() < settings.least_entities:
            continue
        forests[int(config_id)] = IsolationForest(  # type: ignore[call-overload]
            n_estimators=settings.trees,
            max_samples=min(settings.sample, group.height),  # pyright: ignore[reportArgumentType] - an int is one choice
            random_state=seed,
            n_jobs=1,
        ).fit(_matrix(group))
    return forests


def performance_voice(
    deviations: pl.DataFrame,
    entity_type: EntityType,
    forests: Mapping[int, "IsolationForest"],
    *,
    settings: ForestSettings | None = None,
) -> pl.DataFrame:
    """The entities of a level that stand apart on each date of `deviations`, in ANOMALIES.

    `deviations` in DEVIATIONS. A point is the deviations of an entity less the mean of those of its parent's
    other children (for a campaign: the account's other campaigns), so that what moves a whole parent sets
    none of its children apart. A deviation counts as far as it stands out of its own noise: log ratio times
    z^2 / (1 + z^2). Unknown ones count 0. PERFORMANCE_DROP or _SPIKE by the entity's own -2 CPL + CTR + CVR,
    and by -CPM where these say nothing; an entity of which only the spend moved is no row.

    `observed_value` is the score, `expected_value` that of an ordinary entity, `deviation_score` the largest
    |z| of its metrics, signed like the direction. Never an alert, severity always LOW. `detected_at` is null.
    The order of the rows does not matter, and a date does not depend on the others.
    """
    settings = settings or ForestSettings()
    level = EntityType(entity_type).value
    points = _points(conform(deviations, DEVIATIONS, "deviations"), level, settings)
    may_speak = pl.col("p_value") <= settings.p_value
    spoken = [
        asked.with_columns(score=-forests[int(config_id)].score_samples(_matrix(asked)))
        for (config_id,), group in points.group_by("config_id", maintain_order=True)
        if int(config_id) in forests
        for asked in [_of_large_days(group, settings).filter(may_speak)]
        if asked.height
    ]
    if not spoken:
        return empty(ANOMALIES)
    return _rows(pl.concat(spoken).filter(pl.col("score") > settings.score), settings)


def _of_large_days(points: pl.DataFrame, settings: ForestSettings) -> pl.DataFrame:
    return points.filter(pl.len().over("date") >= settings.least_entities)


def _matrix(points: pl.DataFrame) -> np.ndarray:
    return points.select(f"point_{name}" for name in FEATURES).to_numpy().astype(np.float32)


def _points(deviations: pl.DataFrame, level: str, settings: ForestSettings) -> pl.DataFrame:
    """Entities with data, sorted, with `own_*` (what counts of a deviation) and `point_*` (less siblings)."""
    counted = (
        deviations.filter(
            pl.col("entity_type") == level,
            pl.any_horizontal(pl.col(f"{name}_log_ratio").is_not_null() for name in FEATURES),
        )
        .sort("config_id", "date", "entity_id")
        .with_columns(_counted(name, settings.clip).alias(f"own_{name}") for name in FEATURES)
        # A campaign's parent is the account.
        .with_columns(pl.col("parent_id").fill_null("").alias("_parent"))
    )
    siblings = ["config_id", "date", "_parent"]
    others = pl.len().over(siblings) - 1

    def relative(name: str) -> pl.Expr:
        own = pl.col(f"own_{name}")
        mean = pl.when(others > 0).then((own.sum().over(siblings) - own) / others).otherwise(0.0)
        return (own - mean).clip(-settings.clip, settings.clip)

    return counted.with_columns(relative(name).alias(f"point_{name}") for name in FEATURES)


def _counted(name: str, clip: float) -> pl.Expr:
    """How much of a log ratio counts: nearly all of it at |z| = 3, half of it at 1."""
    squared = pl.col(f"{name}_z").fill_nan(None) ** 2
    log_ratio = pl.col(f"{name}_log_ratio").fill_nan(None).clip(-clip, clip)
    return (log_ratio * squared / (1.0 + squared)).fill_null(0.0)


def _rows(outliers: pl.DataFrame, settings: ForestSettings) -> pl.DataFrame:
    good = pl.col("own_ctr") + pl.col("own_cvr") - 2.0 * pl.col("own_cpl")
    good = pl.when(good != 0).then(good).otherwise(-pl.col("own_cpm"))
    is_good = pl.col("good") > 0
    farthest = pl.max_horizontal(pl.col(f"{name}_z").fill_nan(None).abs() for name in FEATURES)
    return fill_missing(
        outliers.with_columns(good=good)
        .filter(pl.col("good") != 0)
        .with_columns(
            anomaly_date="date",
            metric_name=pl.lit("multivariate"),
            anomaly_type=pl.when(is_good)
            .then(pl.lit("PERFORMANCE_SPIKE"))
            .otherwise(pl.lit("PERFORMANCE_DROP")),
            observed_value="score",
            expected_value=pl.lit(0.5),
            upper_value=pl.lit(settings.score),
            deviation_score=pl.when(is_good).then(farthest).otherwise(-farthest),
            severity=pl.lit("LOW"),
            direction=pl.when(is_good).then(pl.lit("up")).otherwise(pl.lit("down")),
            is_alert=pl.lit(value=False),
            is_provisional=pl.lit(value=False),
            is_root_cause=pl.lit(value=False),
        ),
        ANOMALIES,
    ).sort("anomaly_date", "config_id", "entity_id")
