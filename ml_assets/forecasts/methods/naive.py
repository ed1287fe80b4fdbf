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
        last = np.full((WEEK, self.weeks, batch.height), np.nan)  # the newest first
        total, count = np.zeros(batch.height), np.zeros(batch.height)
        found = np.full((len(origins), batch.height, horizon), np.nan)
        wanted = {origin: place for place, origin in enumerate(origins)}
        ahead = np.arange(horizon)
        for day in range(max(origins, default=-1) + 1):
            if day in wanted:
                anywhere = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
                week = _mean(last)
                week = np.where(np.isfinite(week), week, anywhere)
                found[wanted[day]] = week[(day + ahead) % WEEK].T
            if day == batch.days:
                break
            value = np.ascontiguousarray(values[:, day])
            there = np.isfinite(value)
            same = last[day % WEEK]
            for place in range(self.weeks - 1, 0, -1):
                np.copyto(same[place], same[place - 1], where=there)
            np.copyto(same[0], value, where=there)
            np.add(total, value, out=total, where=there)
            count += there
        return found


def _mean(last: FloatArray) -> FloatArray:
    """Of the known days of each weekday, (weekdays, weeks, series): (weekdays, series), NaN without one."""
    there = np.isfinite(last)
    count = there.sum(axis=1)
    total = np.where(there, last, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
