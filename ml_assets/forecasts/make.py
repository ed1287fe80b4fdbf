"""Forecasts of a level on some dates, ready to be stored."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ml_assets.entities import EntityType
from ml_assets.errors import MlAssetsError, UsageError
from ml_assets.features.compute import data_as_of
from ml_assets.forecasts.candidates import ForecastPolicy
from ml_assets.forecasts.forecast import TreeForecast, forecast_tree
from ml_assets.forecasts.frames import DEFAULT_HORIZON, FORECAST_POINTS, FORECASTS, MOST_HORIZON
from ml_assets.forecasts.inputs import ForecastInputs
from ml_assets.forecasts.reconcile import largest_gap
from ml_assets.forecasts.rows import level_rows
from ml_assets.frames import conform, empty

LARGEST_GAP = 1e-6
"""What a sum of children may be away from its parent, in the metric's unit."""


@dataclass(frozen=True)
class Forecasts:
    """FORECASTS and FORECAST_POINTS of one level."""

    forecasts: pl.DataFrame
    points: pl.DataFrame


def make_forecasts(
    inputs: ForecastInputs,
    entity_type: EntityType,
    dates: Sequence[dt.date],
    horizon: int = DEFAULT_HORIZON,
    policy: ForecastPolicy | None = None,
) -> Forecasts:
    """Forecasts of a level made on each of `dates`, of the `horizon` days after it; see `make_levels`."""
    return make_levels(inputs, {entity_type: dates}, horizon, policy)[entity_type]


def make_levels(
    inputs: ForecastInputs,
    dates: Mapping[EntityType, Sequence[dt.date]],
    horizon: int = DEFAULT_HORIZON,
    policy: ForecastPolicy | None = None,
) -> dict[EntityType, Forecasts]:
    """Forecasts of several levels made on their dates; a date is forecast once for all of them.

    Each rests on figures up to its date, leads as the next morning knew them, and on the whole tree of the
    account: levels of one date and one reading add up. Raises UsageError where the horizon is not 1 to 90
    days or `policy` names an unknown method.
    """
    if not 1 <= horizon <= MOST_HORIZON:
        raise UsageError(f"horizon_days is {horizon}; choose 1 to {MOST_HORIZON}")
    forecasts: dict[EntityType, list[pl.DataFrame]] = {level: [empty(FORECASTS)] for level in dates}
    points: dict[EntityType, list[pl.DataFrame]] = {level: [empty(FORECAST_POINTS)] for level in dates}
    if not inputs.figures.accounts.is_empty() and not inputs.figures.metrics.is_empty():
        for date in sorted({date for days in dates.values() for date in days}):
            tree = forecast_tree(inputs, date, horizon, policy)
            _require_coherent(tree)
            for level in (level for level, days in dates.items() if date in days):
                made = level_rows(tree, level)
                forecasts[level].append(made.forecasts)
                points[level].append(made.points)
    return {
        level: Forecasts(_dated(pl.concat(forecasts[level]), inputs), pl.concat(points[level]))
        for level in dates
    }


def _require_coherent(forecast: TreeForecast) -> None:
    """MlAssetsError where the children of anything do not make up what it is forecast itself."""
    parents = [step.parent for step in forecast.tree.steps]
    for metric, mean in forecast.mean.items():
        gap = largest_gap(forecast.tree.split(mean), parents)
        if not gap <= LARGEST_GAP:
            raise MlAssetsError(
                f"The forecasts of {metric} made on {forecast.tree.date} do not add up: a sum of children is "
                f"{gap:.3g} away from its parent. Nothing was written; this is an error of ml_assets, please "
                "report it."
            )


def _dated(forecasts: pl.DataFrame, inputs: ForecastInputs) -> pl.DataFrame:
    """FORECASTS with the moment that their data are as of."""
    as_of = data_as_of(inputs.figures.metrics).rename({"generated_at": "as_of"})
    dated = (
        forecasts.drop("as_of")
        .sort("forecast_date")
        .join_asof(
            as_of,
            left_on="forecast_date",
            right_on="date",
            by="config_id",
            strategy="backward",
            check_sortedness=False,
        )
        .sort("config_id", "entity_id", "forecast_date", "target_metric")
    )
    return conform(dated, FORECASTS, "forecasts")
