"""Counts of what lists hold, in groups: one query each. The lists are in `ml_assets.storage.lists`."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.storage.bulk import fetch
from ml_assets.storage.keys import date_column, table_of
from ml_assets.storage.reads import Condition, as_utc
from ml_assets.storage.tables import (
    AdsAccount,
    Base,
    MLAnomaly,
    MLClassification,
    MLForecast,
    MLRecommendation,
)


@dataclass(frozen=True)
class Summary:
    """What is counted, and by which columns besides the level."""

    model: type[Base]
    groups: tuple[str, ...]
    leaves_out_superseded: bool = False


CLASSIFICATIONS = Summary(MLClassification, ("tier",))
ANOMALIES = Summary(
    MLAnomaly, ("severity", "metric_name", "anomaly_type", "is_alert"), leaves_out_superseded=True
)
RECOMMENDATIONS = Summary(MLRecommendation, ("recommendation_type", "status", "blocked_by"))
FORECASTS = Summary(MLForecast, ("target_metric", "horizon_days", "method"))


def count_groups(
    connection: sa.Connection,
    summary: Summary,
    config_ids: Sequence[int],
    levels: Sequence[EntityType] = LEVELS,
    *,
    date: dt.date | None = None,
    now: dt.datetime | None = None,
) -> pl.DataFrame:
    """Rows of these accounts in groups: entity_type, the groups' columns, count, first_date, last_date.

    Of a date; None: of the newest one of each account and level, as lists show it. The two dates are the
    first and last that the rows of a group are of. Null is a group of its own. Recommendations have the
    status they read with at `now` (default: the clock). Levels from the top down, large groups first.
    """
    table = table_of(summary.model)
    day = date_column(table)
    values = _values(table, summary, as_utc(now or dt.datetime.now(dt.UTC)))
    names = ("entity_type", *summary.groups)
    schema: dict[str, pl.DataType] = {name: _kind(table.c[name]) for name in names}
    schema |= {"count": pl.Int64(), "first_date": pl.Date(), "last_date": pl.Date()}
    source, where = _rows_of(table, day, config_ids, levels, date)
    if summary.leaves_out_superseded:
        where.append(table.c.is_superseded.is_(sa.false()))
    found = fetch(
        connection,
        [*(values[name] for name in names), sa.func.count(), sa.func.min(day), sa.func.max(day)],
        schema,
        source=source,
        where=where,
        group_by=[values[name] for name in names],
    )
    place = pl.col("entity_type").replace_strict(
        {level.value: number for number, level in enumerate(LEVELS)}, return_dtype=pl.Int64
    )
    return found.sort(place, -pl.col("count"), *summary.groups, nulls_last=True)


def _values(table: sa.Table, summary: Summary, now: dt.datetime) -> Mapping[str, sa.ColumnElement[object]]:
    """The columns of the groups; an active recommendation that is over reads as expired."""
    values: dict[str, sa.ColumnElement[object]] = {
        name: table.c[name] for name in ("entity_type", *summary.groups)
    }
    if summary.model is MLRecommendation:
        is_over = (table.c.status == "active") & (table.c.expires_at <= now)
        values["status"] = sa.case((is_over, "expired"), else_=table.c.status)
    return values


def _kind(column: sa.Column[object]) -> pl.DataType:
    if isinstance(column.type, sa.Boolean):
        return pl.Boolean()
    return pl.Int64() if isinstance(column.type, sa.Integer) else pl.String()


def _rows_of(
    table: sa.Table,
    day: sa.Column[object],
    config_ids: Sequence[int],
    levels: Sequence[EntityType],
    date: dt.date | None,
) -> tuple[sa.FromClause, list[Condition]]:
    """Rows of a date, or of the newest of each account and level: what to select from, and conditions."""
    if date is not None:
        return table, [
            table.c.config_id.in_(list(config_ids)),
            table.c.entity_type.in_([level.value for level in levels]),
            # Below the next day, not equal: a loader may have written midnight into the day.
            day >= date,
            day < date + dt.timedelta(days=1),
        ]
    account, other = table_of(AdsAccount), table.alias("newest")
    level = sa.union_all(
        *(sa.select(sa.literal(level.value, sa.String).label("level")) for level in levels)
    ).subquery("levels")
    newest = (
        sa.select(sa.func.max(other.c[day.name]))
        .where(other.c.config_id == account.c.config_id, other.c.entity_type == level.c.level)
        .correlate(account, level)
        .scalar_subquery()
    )
    joined = account.join(level, sa.true()).join(
        table,
        (table.c.config_id == account.c.config_id) & (table.c.entity_type == level.c.level) & (day == newest),
    )
    return joined, [account.c.config_id.in_(list(config_ids))]
