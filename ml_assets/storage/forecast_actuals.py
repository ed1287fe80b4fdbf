"""`ml_forecast_points.actual_value`: what the days of forecasts were, by `ml_entity_metrics` as it stands.

All inside the database, whatever the number of points. How good a forecast was is judged elsewhere.
"""

import datetime as dt
from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.forecasts.frames import METRICS, MOST_HORIZON, RATIOS, TARGET_METRICS, UNATTRIBUTED
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import table_of
from ml_assets.storage.reads import Condition
from ml_assets.storage.tables import MLEntityMetrics, MLForecast, MLForecastPoint

TABLE = table_of(MLForecast)
POINTS = table_of(MLForecastPoint)
FIGURES = table_of(MLEntityMetrics)


def score_forecasts(
    connection: sa.Connection,
    entity_type: EntityType,
    config_ids: Sequence[int],
    start: dt.date,
    end: dt.date,
) -> int:
    """Write what the days [start, end] were into every forecast of them; how many points changed.

    An entity without a row on a day on which its account and level have some had 0 of an additive metric; a
    ratio is null without its denominator. Null is also what stands on a day of which the account and level
    have no row: nothing is known of it. Depends on `ml_entity_metrics` alone, so it may be called in any
    order, and twice changes nothing. Forecasts reach at most MOST_HORIZON days ahead.
    """
    if start > end or not config_ids:
        return 0
    begin_writing(connection, TABLE.name)
    made = TABLE.c.forecast_date.between(start - dt.timedelta(days=MOST_HORIZON), end - dt.timedelta(days=1))
    level = TABLE.c.entity_type == EntityType(entity_type).value
    of_days = [TABLE.c.config_id.in_(list(config_ids)), level, made]
    return _write_actuals(connection, entity_type, config_ids, start, end, of_days)


def write_actuals_of(
    connection: sa.Connection,
    target_dates: pl.Series,
    entity_type: EntityType,
    config_ids: Sequence[int],
    inside: Sequence[Condition],
) -> int:
    """The same for the forecasts that are `inside`, new ones whose points hold no actual value yet."""
    days = target_dates.unique().sort().to_list()
    known = _known_days(entity_type, config_ids, days)
    first, last = connection.execute(sa.select(sa.func.min(known.c.date), sa.func.max(known.c.date))).one()
    if first is None:
        return 0
    return _write_actuals(connection, entity_type, config_ids, first, last, inside)


def _write_actuals(
    connection: sa.Connection,
    entity_type: EntityType,
    config_ids: Sequence[int],
    start: dt.date,
    end: dt.date,
    forecasts: Sequence[Condition],
) -> int:
    days = [start + dt.timedelta(days=number) for number in range((end - start).days + 1)]
    known = _known_days(entity_type, config_ids, days)
    value = _actual_value(known.c.date)
    source = (
        TABLE.join(POINTS, POINTS.c.forecast_id == TABLE.c.id)
        .outerjoin(
            known, sa.and_(known.c.config_id == TABLE.c.config_id, known.c.date == POINTS.c.target_date)
        )
        .outerjoin(
            FIGURES,
            sa.and_(
                FIGURES.c.config_id == TABLE.c.config_id,
                FIGURES.c.entity_type == TABLE.c.entity_type,
                FIGURES.c.entity_id == TABLE.c.entity_id,
                FIGURES.c.date == POINTS.c.target_date,
            ),
        )
    )
    changed = (
        sa.select(POINTS.c.forecast_id, POINTS.c.target_date, value.label("value"))
        .select_from(source)
        .where(
            *forecasts,
            TABLE.c.target_metric.in_(TARGET_METRICS),
            POINTS.c.target_date.between(start, end),
            POINTS.c.actual_value.is_distinct_from(value),
        )
        .subquery("changed")
    )
    return connection.execute(
        sa.update(POINTS)
        .where(POINTS.c.forecast_id == changed.c.forecast_id, POINTS.c.target_date == changed.c.target_date)
        .values(actual_value=changed.c.value)
    ).rowcount


def _known_days(entity_type: EntityType, config_ids: Sequence[int], days: Sequence[dt.date]) -> sa.Subquery:
    """config_id, date: the days on which an account has figures at the level."""
    table = FIGURES.alias("figures_of_days")
    return (
        sa.select(table.c.config_id, table.c.date)
        .where(
            # Day by day: a range would make SQLite read the account's whole history.
            table.c.date.in_(days),
            table.c.entity_type == EntityType(entity_type).value,
            table.c.config_id.in_(list(config_ids)),
        )
        .distinct()
        .subquery("known")
    )


def _actual_value(known: sa.ColumnElement[dt.date]) -> sa.ColumnElement[float]:
    """What the metric of a forecast was on the day of `FIGURES`; `known` is null where the day is not."""
    has_row = FIGURES.c.id.is_not(None)

    def figure(metric: str) -> sa.ColumnElement[float]:
        return sa.cast(FIGURES.c[metric], sa.Float)

    # What stands for no entity is never known to have been anything.
    is_entity = TABLE.c.entity_id.not_like(f"{UNATTRIBUTED}%")
    was_none = sa.and_(known.is_not(None), is_entity)
    additive = {metric: sa.case((has_row, figure(metric)), (was_none, 0.0)) for metric in METRICS}
    ratios = {
        name: sa.case((figure(below) > 0, factor * figure(above) / figure(below)))
        for name, (above, below, factor) in RATIOS.items()
    }
    return sa.case(
        *((TABLE.c.target_metric == name, value) for name, value in {**additive, **ratios}.items())
    )
