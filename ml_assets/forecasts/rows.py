"""The forecast of a level as rows: one per entity and metric, and one per day of it."""

import datetime as dt
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.candidates import FALLBACK
from ml_assets.forecasts.forecast import TreeForecast
from ml_assets.forecasts.frames import (
    FORECAST_POINTS,
    FORECASTS,
    METRICS,
    QUANTILES,
    RATIOS,
    TARGET_METRICS,
)
from ml_assets.frames import conform

MODEL_VERSION = "forecasts-1"

DERIVED = "derived"
"""Method of a ratio."""

BORROWED = "borrowed"
"""Method of an entity whose history is too short for a shape of its own."""

RECENT_DAYS = 28
"""An entity that is switched off is told of while it delivered within so many days."""

CHUNK = 1000
"""Entities whose sample paths are drawn at a time."""

MEDIAN = 0.5


@dataclass(frozen=True)
class LevelRows:
    """FORECASTS (without `as_of`) and FORECAST_POINTS of one level and date."""

    forecasts: pl.DataFrame
    points: pl.DataFrame


def level_rows(forecast: TreeForecast, entity_type: EntityType) -> LevelRows:
    """Rows of the entities of a level that are active or delivered lately, and of what has no entity.

    An entity with insufficient data has a row for each metric and no points.
    """
    index = [step.name for step in forecast.tree.steps].index(entity_type.value)
    step = forecast.tree.steps[index]
    delivered = (step.values["impressions"][:, -RECENT_DAYS:] > 0) | (
        step.values["spend"][:, -RECENT_DAYS:] > 0
    )
    told = step.is_active[:, -1] & (step.first < forecast.tree.days) | delivered.any(axis=1)
    return node_rows(forecast, index, forecast.rows(index)[told])


def node_rows(forecast: TreeForecast, index: int, rows: IntArray) -> LevelRows:
    """The same of some rows of the step `index` of the tree, whether they are told of or not."""
    known = rows[~_is_insufficient(forecast, index, rows)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # numpy works outside of the interpreter's lock
        parts = list(pool.map(partial(_points, forecast), chunks(forecast, known)))
    points = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    return LevelRows(
        _forecast_rows(forecast, index, rows, known, points), _point_rows(forecast, index, points)
    )


def _is_insufficient(forecast: TreeForecast, index: int, rows: IntArray) -> np.ndarray:
    step = forecast.tree.steps[index]
    return forecast.is_insufficient[rows] & ~step.is_unattributed[rows - forecast.offsets[index]]


def chunks(forecast: TreeForecast, rows: IntArray) -> Iterator[IntArray]:
    """The rows in parts of one account each."""
    group = forecast.calibration.group[rows]
    for start in np.flatnonzero(np.diff(group, prepend=-1)):  # rows of an account need not stand together
        of_group = rows[group == group[start]] if (group[:start] != group[start]).all() else rows[:0]
        for first in range(0, of_group.size, CHUNK):
            yield of_group[first : first + CHUNK]


def _points(forecast: TreeForecast, rows: IntArray) -> dict[str, np.ndarray]:
    """`metric.column` -> figures of some nodes, (nodes, horizon), or (nodes,) of totals; and `rows`."""
    sampled = forecast.sample(rows)
    found: dict[str, np.ndarray] = {"rows": rows}
    probabilities = list(QUANTILES.values())
    for metric in METRICS:
        mean = forecast.mean[metric][rows]
        bounds, stand = forecast.bounds(metric, rows, probabilities)
        found[f"{metric}.value"] = mean
        for place, name in enumerate(QUANTILES):
            found[f"{metric}.{name}"] = bounds[..., place]
        inside = forecast.inside(metric, rows, bounds[..., :2], stand[..., :2])
        found[f"{metric}.inside_lower_80"], found[f"{metric}.inside_upper_80"] = (
            inside[..., 0],
            inside[..., 1],
        )
        total = sampled[metric].sum(axis=2)
        _put_total(found, metric, mean.sum(axis=1), path_quantiles(total[:, :, None], probabilities)[:, 0])
    for ratio, (above, below, factor) in RATIOS.items():
        daily = _ratio(sampled[above], sampled[below], factor)
        found[f"{ratio}.value"] = _ratio(forecast.mean[above][rows], forecast.mean[below][rows], factor)
        bounds = path_quantiles(daily, probabilities)
        for place, name in enumerate(QUANTILES):
            found[f"{ratio}.{name}"] = bounds[..., place]
        whole = _ratio(sampled[above].sum(axis=2), sampled[below].sum(axis=2), factor)
        value = _ratio(forecast.mean[above][rows].sum(axis=1), forecast.mean[below][rows].sum(axis=1), factor)
        _put_total(found, ratio, value, path_quantiles(whole[:, :, None], probabilities)[:, 0])
    return found


def _put_total(found: dict[str, np.ndarray], metric: str, value: FloatArray, bounds: FloatArray) -> None:
    found[f"{metric}.total_value"] = value
    for place, name in enumerate(QUANTILES):
        found[f"{metric}.total_{name}"] = bounds[:, place]


def _ratio(above: FloatArray, below: FloatArray, factor: float) -> FloatArray:
    """Infinite where only the denominator is 0, NaN where both are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return factor * above / below


def path_quantiles(samples: FloatArray, probabilities: list[float]) -> FloatArray:
    """Quantiles over the paths (rows, paths, days) that are defined: (rows, days, probabilities).

    Bounds are figures that were drawn, the outer ones of two; infinite ones come back as they are.
    """
    ordered = np.sort(samples, axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1) + np.isinf(ordered).sum(axis=1)
    out = np.full((samples.shape[0], samples.shape[2], len(probabilities)), np.nan)
    for place, probability in enumerate(probabilities):
        at = probability * (count - 1)
        chosen = (np.floor(at) if probability < MEDIAN else np.ceil(at)).astype(np.int64)
        found = np.take_along_axis(ordered, np.maximum(chosen, 0)[:, None, :], axis=1)[:, 0]
        out[..., place] = np.where(count > 0, found, np.nan)
    return out


def _forecast_rows(
    forecast: TreeForecast,
    index: int,
    rows: IntArray,
    known: IntArray,
    points: dict[str, np.ndarray],
) -> pl.DataFrame:
    totals = ("total_value", *(f"total_{name}" for name in QUANTILES))
    parts: list[pl.DataFrame] = []
    figures = pl.DataFrame({"row": points["rows"] if points else known})
    for metric in TARGET_METRICS:
        frame = _keys(forecast, index, rows).with_columns(
            _judgement(forecast, metric, rows), target_metric=pl.lit(metric)
        )
        told = figures.with_columns(
            _number(points[f"{metric}.{name}"], name) if points else pl.lit(None, pl.Float64).alias(name)
            for name in totals
        )
        parts.append(frame.join(told, on="row", how="left", maintain_order="left"))
    insufficient = pl.Series("insufficient_data", _is_insufficient(forecast, index, rows))
    borrowed = pl.Series("borrowed", forecast.is_borrowed[rows])
    frame = pl.concat(parts).with_columns(
        insufficient_data=pl.concat([insufficient] * len(TARGET_METRICS)),
        borrowed=pl.concat([borrowed] * len(TARGET_METRICS)),
    )
    return conform(
        frame.with_columns(
            method=pl.when("insufficient_data")
            .then(None)
            .when("borrowed")
            .then(pl.lit(BORROWED))
            .otherwise("method"),
            model_version=pl.lit(MODEL_VERSION),
            as_of=pl.lit(None, FORECASTS["as_of"]),
        ),
        FORECASTS,
        "forecasts",
    )


def _judgement(forecast: TreeForecast, metric: str, rows: IntArray) -> list[pl.Series]:
    """`method` and `backtest` of a metric."""
    if metric not in METRICS:
        return [
            pl.Series("method", [DERIVED] * rows.size, pl.String),
            pl.Series("backtest", [None] * rows.size, pl.String),
        ]
    combination = forecast.combination[metric]
    weights = combination.weights[:, rows]
    names = pl.Series(combination.names)
    chosen = np.where(weights.sum(axis=0) > 0, weights.argmax(axis=0), len(combination.names))
    method = pl.concat([names, pl.Series([FALLBACK.name])]).gather(chosen).alias("method")
    tried = pl.DataFrame(
        {
            "origins": combination.origins[rows],
            "mase": _number(combination.error[rows], "mase").round(4),
            **{
                f"mase_{name}": _number(combination.errors[place, rows], name).round(4)
                for place, name in enumerate(combination.names)
            },
            **{
                f"weight_{name}": pl.Series(weights[place]).round(3)
                for place, name in enumerate(combination.names)
            },
        }
    )
    told = tried.select(
        pl.struct(
            "origins",
            pl.struct(
                pl.col("mase").alias("combined"),
                *(pl.col(f"mase_{name}").alias(name) for name in combination.names),
            ).alias("mase"),
            pl.struct(pl.col(f"weight_{name}").alias(name) for name in combination.names).alias("weights"),
        )
        .struct.json_encode()
        .alias("backtest")
    )
    return [method, told["backtest"]]


def _point_rows(forecast: TreeForecast, index: int, points: dict[str, np.ndarray]) -> pl.DataFrame:
    if not points:
        return pl.DataFrame(schema=dict(FORECAST_POINTS))
    horizon = forecast.horizon
    rows = points["rows"]
    dates = pl.Series([forecast.tree.date + dt.timedelta(days=ahead + 1) for ahead in range(horizon)])
    keys = _keys(forecast, index, rows).select(pl.all().repeat_by(horizon).explode())
    keys = keys.with_columns(target_date=pl.concat([dates] * rows.size))
    parts = [
        keys.with_columns(
            _number(points[f"{metric}.value"].ravel(), "predicted_value"),
            *(_number(points[f"{metric}.{name}"].ravel(), name) for name in QUANTILES),
            *(
                _number(points[f"{metric}.{name}"].ravel(), name)
                if metric in METRICS
                else pl.lit(None, pl.Float64).alias(name)
                for name in ("inside_lower_80", "inside_upper_80")
            ),
            target_metric=pl.lit(metric),
        )
        for metric in TARGET_METRICS
    ]
    return conform(pl.concat(parts), FORECAST_POINTS, "forecast points")


def _keys(forecast: TreeForecast, index: int, rows: IntArray) -> pl.DataFrame:
    """The keys of nodes of a step, with their row."""
    step = forecast.tree.steps[index]
    return step.keys[rows - forecast.offsets[index]].with_columns(
        entity_type=pl.lit(step.name),
        horizon_days=pl.lit(forecast.horizon, pl.Int64),
        forecast_date=pl.lit(forecast.tree.date),
        row=pl.Series(rows),
    )


def _number(values: np.ndarray, name: str) -> pl.Series:
    """Null where a figure is undefined or has no bound."""
    return pl.Series(name, np.where(np.isfinite(values), values, np.nan)).fill_nan(None)
