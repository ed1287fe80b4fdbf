"""The schema of every frame that crosses a module border, and `conform`, which checks and casts.

Only schemas live here. What the columns mean is said in `docs/data-model.md`; how they are stored
in `ml_assets.storage.tables`.
"""

from collections.abc import Mapping
from typing import TypeAlias

import polars as pl

from ml_assets.errors import SchemaError

Schema: TypeAlias = Mapping[str, pl.DataType]

UTC = pl.Datetime("us", "UTC")

KEY: Schema = {
    "config_id": pl.Int64(),
    "entity_type": pl.String(),
    "entity_id": pl.String(),
}
"""What names an entity everywhere."""

ACCOUNTS: Schema = {
    "config_id": pl.Int64(),
    "account_id": pl.String(),
    "name": pl.String(),
    "currency": pl.String(),
    "timezone": pl.String(),
    "conversion_actions": pl.List(pl.String()),
    "target_cpl": pl.Float64(),
    "monthly_budget": pl.Float64(),
    "is_active": pl.Boolean(),
    "source": pl.String(),  # JSON: {"kind": "synthetic", ...}; null: fed from outside
}

ENTITIES: Schema = {
    **KEY,
    "parent_id": pl.String(),  # campaign of an adset, adset of an ad, null for a campaign
    "campaign_id": pl.String(),  # own id for a campaign
    "name": pl.String(),
    "objective": pl.String(),  # campaigns only
    "optimization_goal": pl.String(),  # adsets only
    "status": pl.String(),
    "effective_status": pl.String(),
    "daily_budget": pl.Float64(),  # major units; null where the level owns none
    "lifetime_budget": pl.Float64(),
    "bid_strategy": pl.String(),
    "attribution_setting": pl.String(),  # adsets only
    "targeting": pl.String(),  # JSON, adsets only
    "learning_status": pl.String(),  # adsets only
    "last_significant_edit_at": UTC,  # adsets only
    "target_cpl": pl.Float64(),  # campaigns only
    "creative_id": pl.String(),  # ads only
    "start_time": UTC,
    "stop_time": UTC,
    "created_time": UTC,
    "synced_at": UTC,
}
"""One frame for all levels: a column a level does not have is null there."""

ENTITY_VERSIONS: Schema = {
    **KEY,
    "known_at": UTC,
    "fields": pl.String(),  # JSON of the fields that are watched, as they were
}

INSIGHTS: Schema = {
    **KEY,
    "date": pl.Date(),
    "window_days": pl.Int64(),  # 1: figures of the day; 7: unique counts of [date-6, date]
    "known_at": UTC,
    "spend": pl.Float64(),
    "impressions": pl.Int64(),
    "reach": pl.Int64(),
    "frequency": pl.Float64(),
    "clicks": pl.Int64(),
    "link_clicks": pl.Int64(),
    "leads": pl.Int64(),
    "actions": pl.String(),  # JSON
}

REJECTED_ROWS: Schema = {
    "config_id": pl.Int64(),
    "source": pl.String(),  # file or table
    "line": pl.Int64(),
    "raw": pl.String(),  # JSON of the row as it stood
    "reason": pl.String(),
    "rejected_at": UTC,
}

LEAD_DEVELOPMENT: Schema = {
    "config_id": pl.Int64(),
    "date": pl.Date(),
    "age_days": pl.Int64(),  # known_at - date in days of the account's calendar
    "leads": pl.Int64(),  # leads of that date visible at that age, all entities of one level
}

LEAD_REVISIONS: Schema = {
    **KEY,
    "date": pl.Date(),
    "known_on": pl.Date(),  # first date whose next morning knew of it
    "leads": pl.Int64(),  # by how much the day's leads changed; down too
}
"""Leads of a day that came in, or were taken back, after its first reading; at every level."""

ENTITY_METRICS: Schema = {
    **KEY,
    "parent_id": pl.String(),
    "campaign_id": pl.String(),
    "date": pl.Date(),
    "known_at": UTC,  # newest version the figures were read from
    "delivered_level": pl.String(),  # level whose rows these are: own, or summed from a level below
    "spend": pl.Float64(),
    "impressions": pl.Int64(),
    "clicks": pl.Int64(),
    "link_clicks": pl.Int64(),
    "leads": pl.Int64(),
    "reach": pl.Int64(),  # own row only; null where figures were summed from children
    "reach_bound": pl.Int64(),  # reach, or the sum of the children's: an upper bound of it
    "reach_7d": pl.Int64(),  # from a row with window_days = 7
    "frequency_7d": pl.Float64(),
    "residual_spend": pl.Float64(),  # own minus the children's sum; null unless both are delivered
    "residual_impressions": pl.Int64(),
    "residual_clicks": pl.Int64(),
    "residual_leads": pl.Int64(),
}


def empty(schema: Schema) -> pl.DataFrame:
    """A frame without rows in `schema`."""
    return pl.DataFrame(schema=dict(schema))


def conform(frame: pl.DataFrame, schema: Schema, name: str = "frame") -> pl.DataFrame:
    """`frame` with exactly the columns of `schema`, in its order, cast without loss.

    Columns that are not in the schema are dropped. Raises SchemaError naming the frame, the column
    and both types where a column is missing or cannot be cast.
    """
    missing = [column for column in schema if column not in frame.columns]
    if missing:
        raise SchemaError(f"{name} lacks the columns {', '.join(missing)}")
    try:
        return frame.select(pl.col(column).cast(dtype) for column, dtype in schema.items())
    except (pl.exceptions.InvalidOperationError, pl.exceptions.ComputeError) as error:
        wrong = [
            f"{column} is {frame.schema[column]}, expected {dtype}"
            for column, dtype in schema.items()
            if frame.schema[column] != dtype
        ]
        raise SchemaError(f"{name}: {'; '.join(wrong)} ({error})") from error


def fill_missing(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """`frame` with every missing column of `schema` added as nulls, then conformed to it."""
    absent = [
        pl.lit(None, dtype=dtype).alias(column)
        for column, dtype in schema.items()
        if column not in frame.columns
    ]
    return conform(frame.with_columns(absent), schema)
