"""From insights of whatever levels were delivered to one row per entity, level and day.

A level's own row wins. Where a level has none, the figures are summed from the level below; where both
are there and differ, the difference stands beside the figures as `residual_*`. Nothing is scaled to fit.
"""

import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import ENTITY_METRICS, fill_missing
from ml_assets.metrics import ADDITIVE, MICROS

RESIDUALS = ("spend", "impressions", "clicks", "leads")
"""Figures whose difference between a level and the sum of its children is kept."""

_DAY = ("config_id", "entity_id", "date")


def conform_insights(insights: pl.DataFrame, entities: pl.DataFrame) -> pl.DataFrame:
    """Conform the newest version of each row to one row per (config_id, entity_type, entity_id, date).

    `insights` is in the schema `INSIGHTS` with at most one version per key; rows with `window_days` = 7
    only lend their reach and frequency to the row of their last day. `entities` (schema `ENTITIES`)
    gives the parents; an adset or ad it does not know is left out, since nothing can be said of its place
    in the tree. Figures a source does not have are null, and a sum over nulls only is null.

    Returns the schema `ENTITY_METRICS` for all three levels, sorted by level, account, entity and date.
    """
    tree = entities.filter(pl.col("parent_id").is_not_null()).select(
        "config_id", "entity_type", "entity_id", "parent_id", "campaign_id"
    )
    daily = insights.filter(pl.col("window_days") == 1)
    weekly = insights.filter(pl.col("window_days") == 7).select(  # noqa: PLR2004 - a week
        "config_id",
        "entity_type",
        "entity_id",
        "date",
        reach_7d="reach",
        frequency_7d=pl.coalesce(
            "frequency", pl.when(pl.col("reach") > 0).then(pl.col("impressions") / pl.col("reach"))
        ),
    )
    conformed: list[pl.DataFrame] = []
    below: pl.DataFrame | None = None
    for level in reversed(LEVELS):
        own = _placed(daily.filter(pl.col("entity_type") == level.value), tree, level)
        rows = own if below is None else _with_children(own, _summed(below, tree, level))
        conformed.append(rows)
        below = rows
    metrics = pl.concat([fill_missing(rows, ENTITY_METRICS) for rows in reversed(conformed)], how="vertical")
    return (
        metrics.drop("reach_7d", "frequency_7d")
        .join(weekly, on=["config_id", "entity_type", "entity_id", "date"], how="left")
        .select(ENTITY_METRICS.keys())
        .sort("entity_type", "config_id", "entity_id", "date")
    )


def newest_readings(days: pl.DataFrame) -> pl.DataFrame:
    """The newest `known_at` per config_id, entity_type and date: of the level itself and of all below.

    Those are summed into it or reconciled with it. `days` has these four columns, in any number of rows.
    """
    above = pl.DataFrame(
        {
            "entity_type": [level.value for level in LEVELS for _ in level.path],
            "for_level": [upper.value for level in LEVELS for upper in level.path],
        }
    )
    return (
        days.join(above, on="entity_type")
        .group_by("config_id", pl.col("for_level").alias("entity_type"), "date")
        .agg(pl.col("known_at").max())
    )


def _placed(rows: pl.DataFrame, tree: pl.DataFrame, level: EntityType) -> pl.DataFrame:
    """Rows of a level with their place in the tree; campaigns need none."""
    if level is EntityType.CAMPAIGN:
        placed = rows.with_columns(parent_id=pl.lit(None, dtype=pl.String), campaign_id=pl.col("entity_id"))
    else:
        placed = rows.join(tree, on=["config_id", "entity_type", "entity_id"], how="inner")
    return placed.with_columns(delivered_level=pl.lit(level.value), reach_bound=pl.col("reach"))


def _summed(below: pl.DataFrame, tree: pl.DataFrame, level: EntityType) -> pl.DataFrame:
    """The level below summed to this level, one row per (config_id, entity_id, date) of `_DAY`.

    Money is added in millionths, as integers: the sum does not depend on the order of the rows. One child
    whose reach is not known leaves the parent's without a bound.
    """
    in_micros = (pl.col("spend") * MICROS).round().cast(pl.Int64)
    summed = (
        below.group_by("config_id", pl.col("parent_id").alias("entity_id"), "date")
        .agg(
            pl.col("known_at", "delivered_level").max(),
            pl.when(pl.col("spend").count() > 0).then(in_micros.sum() / MICROS).alias("spend"),
            *(
                pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)
                for name in ADDITIVE
                if name != "spend"
            ),
            pl.when(pl.col("reach_bound").null_count() == 0)
            .then(pl.col("reach_bound").sum())
            .alias("reach_bound"),
        )
        .with_columns(entity_type=pl.lit(level.value))
    )
    if level is EntityType.CAMPAIGN:
        return summed.with_columns(parent_id=pl.lit(None, dtype=pl.String), campaign_id=pl.col("entity_id"))
    return summed.join(tree, on=["config_id", "entity_type", "entity_id"], how="inner")


def _with_children(own: pl.DataFrame, summed: pl.DataFrame) -> pl.DataFrame:
    """Own rows with their residual against the children, and children's sums where there is no own row."""
    children = summed.select(*_DAY, *(pl.col(name).alias(f"children_{name}") for name in RESIDUALS))
    reconciled = own.join(children, on=list(_DAY), how="left").with_columns(
        (pl.col(name) - pl.col(f"children_{name}")).alias(f"residual_{name}") for name in RESIDUALS
    )
    only_children = summed.join(own.select(_DAY), on=list(_DAY), how="anti")
    return pl.concat([fill_missing(reconciled, ENTITY_METRICS), fill_missing(only_children, ENTITY_METRICS)])
