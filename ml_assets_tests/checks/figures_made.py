"""Conformed figures of small accounts, and their verdicts."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from ml_assets.checks.figures import check_figures
from ml_assets.checks.verdicts import LEVEL_DAY
from ml_assets.entity_metrics import conform_insights
from ml_assets.frames import ACCOUNTS, ENTITIES, ENTITY_METRICS, INSIGHTS
from ml_assets_tests.features.frames_made import D, account, every_day, frame, small_tree

NOTHING_STALE = pl.DataFrame(schema={"config_id": pl.Int64(), "entity_type": pl.String(), "date": pl.Date()})
NOTHING_RUNNING = NOTHING_STALE.drop("entity_type")
HISTORY = range(29)


def tree_of(config_ids: Sequence[int] = (1,)) -> pl.DataFrame:
    return frame([row for config_id in config_ids for row in small_tree(config_id)], ENTITIES)


def made(
    config_ids: Sequence[int] = (1,), levels: Sequence[str] = ("campaign", "adset", "ad")
) -> pl.DataFrame:
    """Four weeks and a day of an account whose levels, all delivered, add up (ENTITY_METRICS)."""
    entities = tree_of(config_ids)
    size = {"campaign": 6, "adset": 3, "ad": 1}
    rows = [
        row
        for entity in entities.iter_rows(named=True)
        if entity["entity_type"] in levels
        for row in every_day(
            entity["entity_type"],
            entity["entity_id"],
            HISTORY,
            config_id=entity["config_id"],
            **{
                name: value * size[entity["entity_type"]]
                for name, value in {
                    "spend": 20.0,
                    "impressions": 1000,
                    "clicks": 20,
                    "link_clicks": 15,
                    "leads": 2,
                }.items()
            },
        )
    ]
    return conform_insights(frame(rows, INSIGHTS), entities)


def changed(
    metrics: pl.DataFrame, level: str, entity_id: str, config_id: int = 1, **values: Any
) -> pl.DataFrame:
    """`metrics` with other values in an entity's row of the day `D`."""
    here = (
        (pl.col("config_id") == config_id)
        & (pl.col("entity_type") == level)
        & (pl.col("entity_id") == entity_id)
        & (pl.col("date") == D)
    )
    return metrics.with_columns(
        pl.when(here).then(pl.lit(value, dtype=ENTITY_METRICS[name])).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def judged(metrics: pl.DataFrame, config_ids: Sequence[int] = (1,), **frames: pl.DataFrame) -> pl.DataFrame:
    """VERDICTS of the day `D`."""
    accounts = frame([account(config_id) for config_id in config_ids], ACCOUNTS)
    return check_figures(
        metrics,
        tree_of(config_ids),
        accounts,
        [D],
        stale=frames.get("stale", NOTHING_STALE),
        running=frames.get("running", NOTHING_RUNNING),
    )


def failures(found: pl.DataFrame) -> set[tuple[str, int, str]]:
    """(check, config_id, entity_type) of what failed."""
    return set(found.filter(~pl.col("passed")).select("check", "config_id", "entity_type").iter_rows())


def level_days(level: str, config_id: int = 1) -> pl.DataFrame:
    rows = [(config_id, level, D)]
    return pl.DataFrame(rows, schema=NOTHING_STALE.schema, orient="row").select(LEVEL_DAY)
