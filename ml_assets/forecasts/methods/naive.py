"""The floor every other method must beat: what the same weekday was last time, or the last few times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml_assets.features.grid import FloatArray
from ml_assets.forecasts.batch import WEEK, Batch


@dataclass(frozen=True)
class SeasonalNaive:
    """Mean of the last `weeks` known days of the same weekday, of values grown to their final size.

    A weekday that was never known gets the mean of all that is known; where nothing is, the row is NaN.
    """

    weeks: int = 1

    @property
    def name(self) -> str:
        """`seasonal_naive` for the last weekday alone, `seasonal_mean` for the mean of several."""
        return "seasonal_naive" if self.weeks == 1 else "seasonal_mean"

    def forecast(self, batch: Batch, origins: Sequence[int], horizon: int) -> FloatArray:
        """See `Method.forecast`."""
        values = batch.matured()
        forecasts = [self._of_origin(values[:, :origin], horizon) for origin in origins]
        return np.stack(forecasts) if forecasts else np.empty((0, batch.height, horizon))

    def _of_origin(self, known: FloatArray, horizon: int) -> FloatArray:
        """Forecasts of the days after the last of `known`: (series, horizon)."""
        anywhere = _mean(known, np.isfinite(known))
        week = np.stack([self._of_weekday(known, step, anywhere) for step in range(WEEK)], axis=1)
        return week[:, np.arange(horizon) % WEEK]

    def _of_weekday(self, known: FloatArray, step: int, otherwise: FloatArray) -> FloatArray:
        """Forecast of the weekday `step` days after the last known one, tomorrow being 0: (series,)."""
        same = known[:, ::-1][:, WEEK - 1 - step :: WEEK]
        there = np.isfinite(same)
        counted = there & (np.cumsum(there, axis=1) <= self.weeks)
        found = _mean(same, counted)
        return np.where(np.isfinite(found), found, otherwise)


def _mean(values: FloatArray, counted: np.ndarray) -> FloatArray:
    """Row means over the counted days; NaN where none is."""
    count = counted.sum(axis=1)
    total = np.where(counted, values, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
