"""The forecast of one entity in blocks of days: what a week brings, with intervals of the week."""

import datetime as dt

import numpy as np
import polars as pl

from ml_assets.forecasts.forecast import TreeForecast
from ml_assets.forecasts.frames import METRICS, PERIODS, QUANTILES, RATIOS, TARGET_METRICS
from ml_assets.forecasts.rows import path_quantiles
from ml_assets.frames import conform


def period_totals(forecast: TreeForecast, row: int, days: int = 7) -> pl.DataFrame:
    """Totals of blocks of `days` days of one node (a row of `TreeForecast.mean`), in PERIODS.

    The first block begins on the day after the forecast date; the last one may be shorter. Ratios are of the
    blocks' totals, null where the denominator is 0; a bound is null where there is none.
    """
    horizon = forecast.horizon
    begins = np.arange(0, horizon, days)
    sampled = forecast.sample(np.array([row]))
    means = {name: np.add.reduceat(forecast.mean[name][row], begins) for name in METRICS}
    paths = {name: np.add.reduceat(sampled[name], begins, axis=2) for name in METRICS}
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, (above, below, factor) in RATIOS.items():
            means[name] = factor * means[above] / means[below]
            paths[name] = factor * paths[above] / paths[below]
    first = [forecast.tree.date + dt.timedelta(days=int(begin) + 1) for begin in begins]
    last = [*(day - dt.timedelta(days=1) for day in first[1:]), forecast.tree.date + dt.timedelta(horizon)]
    parts: list[pl.DataFrame] = []
    for metric in TARGET_METRICS:
        bounds = path_quantiles(paths[metric], list(QUANTILES.values()))[0]
        figures = {"value": means[metric]} | {name: bounds[:, place] for place, name in enumerate(QUANTILES)}
        numbers = pl.DataFrame(
            {name: np.where(np.isfinite(values), values, np.nan) for name, values in figures.items()}
        ).fill_nan(None)
        parts.append(
            numbers.with_columns(
                pl.lit(metric).alias("target_metric"),
                pl.Series("first_date", first),
                pl.Series("last_date", last),
            )
        )
    return conform(pl.concat(parts), PERIODS, "periods")
