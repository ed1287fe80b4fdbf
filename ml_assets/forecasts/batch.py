"""Many daily series of one metric side by side, and the error they are judged by."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml_assets.features.grid import FloatArray, IntArray

WEEK = 7


@dataclass(frozen=True)
class Batch:
    """Daily series of one metric: row i of every matrix is series i, column j is `start` + j days."""

    start: dt.date
    values: FloatArray
    """(series, days), non-negative; NaN before a series begins and on days that say nothing of it."""
    is_count: bool = False
    exposure: FloatArray | None = None
    """(series, days) in (0, 1]: share of the final figure that `values` holds; None: all of it."""
    parent: IntArray | None = None
    """(series,): the row a short series borrows its shape from; its own row where there is none."""

    @property
    def height(self) -> int:
        """How many series there are."""
        return self.values.shape[0]

    @property
    def days(self) -> int:
        """How many days there are; also the origin of a forecast of what comes after them."""
        return self.values.shape[1]

    def weekday(self, day: int) -> int:
        """0 Monday to 6 Sunday of a column, which may lie after the last."""
        return (self.start.weekday() + day) % WEEK

    def matured(self) -> FloatArray:
        """Values grown to what they will be when final: (series, days)."""
        return self.values if self.exposure is None else self.values / self.exposure

    def take(self, rows: IntArray) -> "Batch":
        """Only the given series; they have no parents any more."""
        return replace(
            self,
            values=self.values[rows],
            exposure=None if self.exposure is None else self.exposure[rows],
            parent=None,
        )

    def before(self, day: int) -> "Batch":
        """Only the days before a column."""
        return replace(
            self,
            values=self.values[:, :day],
            exposure=None if self.exposure is None else self.exposure[:, :day],
        )


def seasonal_scales(values: FloatArray, origins: Sequence[int] | IntArray, season: int = WEEK) -> FloatArray:
    """Mean absolute seasonal difference of the days before each origin: (origins, series).

    The in-sample scale of MASE (Hyndman & Koehler 2006, "Another look at measures of forecast accuracy");
    NaN where no two days a season apart are known.
    """
    differences = np.abs(values[:, season:] - values[:, :-season])
    there = np.isfinite(differences)
    np.copyto(differences, 0.0, where=~there)
    total, count = np.zeros(values.shape[0]), np.zeros(values.shape[0])
    scales = np.full((len(origins), values.shape[0]), np.nan)
    begin = 0
    for place in np.argsort(origins, kind="stable"):
        end = max(int(origins[place]) - season, begin)
        total += differences[:, begin:end].sum(axis=1)
        count += there[:, begin:end].sum(axis=1)
        begin = end
        np.divide(total, count, out=scales[place], where=count > 0)
    return scales


def mean_absolute_scaled_error(
    values: FloatArray, origins: IntArray, forecasts: FloatArray, scales: FloatArray | None = None
) -> FloatArray:
    """MASE of each series at each origin: (origins, series).

    `forecasts` is (origins, series, horizon), the first day of `forecasts[i]` being column `origins[i]`.
    `scales` are the `seasonal_scales`, where they are at hand. Days without a value do not count;
    NaN where none counts, where the scale is 0, or without a forecast.
    """
    scales = seasonal_scales(values, origins) if scales is None else scales
    errors = np.full(forecasts.shape[:2], np.nan)
    for place, origin in enumerate(origins):
        actual = values[:, origin : origin + forecasts.shape[2]]
        missed = np.abs(actual - forecasts[place, :, : actual.shape[1]])
        there = np.isfinite(actual)
        count = there.sum(axis=1)
        total = np.where(there, missed, 0.0).sum(axis=1)
        usable = (count > 0) & (scales[place] > 0)
        np.divide(total, count * scales[place], out=errors[place], where=usable)
    return errors
