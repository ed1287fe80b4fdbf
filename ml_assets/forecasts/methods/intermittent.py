"""Series that are mostly zero: how often something comes, and how much when it comes.

TSB (Teunter, Syntetos & Babai 2011, "Intermittent demand: linking forecasting to inventory obsolescence"):
the probability of a day with demand is smoothed on every day, the size on days with demand, and the
forecast is their product. Unlike Croston's method the forecast fades when nothing comes any more. All series
go through the days together under every pair of rates of a grid; no loop over series.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.batch import WEEK, Batch

PROBABILITY_RATES = (0.02, 0.05, 0.1, 0.2)
SIZE_RATES = (0.02, 0.1, 0.25)

PRIOR_DEMANDS = 15.0
"""Days with demand of a weekday at which its own profile and a flat one count the same."""

LEARN_DAYS = 7
"""Errors of so many first known days say little of the rates: under all of them the state is a mean."""

CHUNK = 4096
"""Series smoothed at a time: their states fit the cache."""

_TINY = 1e-9


@dataclass(frozen=True)
class Intermittent:
    """The method `intermittent`: TSB times a weekday profile drawn towards flat.

    The rates of a series at an origin are those with the least squared one-step error on the days before it:
    the squared error, as its minimum is the mean; the absolute one would choose zero for rare events. A day
    of exposure c counts as c of a day, with the value it will have when final. Of counts the events come late
    one by one: a day of n events shows one of them with probability 1 - (1 - c)^n, and counts as that much.
    """

    probability_rates: tuple[float, ...] = PROBABILITY_RATES
    size_rates: tuple[float, ...] = SIZE_RATES
    prior_demands: float = PRIOR_DEMANDS

    @property
    def name(self) -> str:
        """The word that stands in `method`."""
        return "intermittent"

    def forecast(self, batch: Batch, origins: Sequence[int], horizon: int) -> FloatArray:
        """See `Method.forecast`."""
        out = np.full((len(origins), batch.height, horizon), np.nan)
        for start in range(0, batch.height, CHUNK):
            rows = np.arange(start, min(start + CHUNK, batch.height))
            out[:, rows] = self._of_rows(batch.take(rows), origins, horizon)
        return out

    def _of_rows(self, batch: Batch, origins: Sequence[int], horizon: int) -> FloatArray:
        """Forecasts of a chunk: (origins, series, horizon)."""
        days = max(origins, default=0)
        matured = np.ascontiguousarray(batch.matured()[:, :days].T)
        weight = np.isfinite(matured).astype(np.float64)
        if batch.exposure is not None:
            weight *= np.where(weight > 0, batch.exposure[:, :days].T, 0.0)
        values = np.where(weight > 0, matured, 0.0)
        states = _States(batch.height, self, thinned=batch.is_count and batch.exposure is not None)
        out = np.full((len(origins), batch.height, horizon), np.nan)
        places = {origin: place for place, origin in enumerate(origins)}
        for day in range(days + 1):
            if day in places:
                out[places[day]] = states.forecast(day, horizon)
            if day < days:
                states.update(values[day], weight[day], day)
        return out


class _States:
    """Running figures of every series: by rate (rates, series), by weekday (7, series), or (series,)."""

    def __init__(self, series: int, method: Intermittent, *, thinned: bool) -> None:
        self.probability_rate = np.array(method.probability_rates)[:, None]
        self.size_rate = np.array(method.size_rates)[:, None]
        self.probability = np.zeros((self.probability_rate.size, series))
        self.size = np.zeros((self.size_rate.size, series))
        self.error = np.zeros((self.probability_rate.size, self.size_rate.size, series))
        self.prior = method.prior_demands
        self.thinned = thinned
        self.days = np.zeros(series)
        self.seen = np.zeros(series)
        self.demands = np.zeros(series)
        self.total = np.zeros(series)
        self.weekday_days = np.zeros((WEEK, series))
        self.weekday_total = np.zeros((WEEK, series))

    def update(self, values: FloatArray, weight: FloatArray, day: int) -> None:
        """Take in a day; `weight` is its exposure, 0 where it is not known."""
        weekday = day % WEEK
        missed = self.probability[:, None] * (self.size * self.profile()[weekday]) - values
        missed *= missed
        missed *= np.where(self.days >= LEARN_DAYS, weight, 0.0)
        self.error += missed

        demand = values > 0
        shown, target, size = weight, np.ones_like(weight), values
        if self.thinned:
            shown = self._shown(weight)
            target, size = 1.0 / np.maximum(shown, _TINY), values * shown
        self.seen += shown
        pace = shown / np.maximum(self.seen, _TINY)
        hit = np.where(demand, target, 0.0)
        self.probability += np.maximum(self.probability_rate * shown, pace) * (hit - self.probability)
        counted = np.where(demand, shown, 0.0)
        self.demands += counted
        pace = counted / np.maximum(self.demands, _TINY)
        self.size += np.maximum(self.size_rate * counted, pace) * (size - self.size)
        self.days += weight
        self.total += weight * values
        self.weekday_days[weekday] += weight
        self.weekday_total[weekday] += weight * values

    def _shown(self, weight: FloatArray) -> FloatArray:
        """Probability that a day with demand, of the usual number of events, shows any of them: (series,)."""
        return 1.0 - (1.0 - weight) ** np.maximum(self.size[0], 1.0)

    def profile(self) -> FloatArray:
        """Factors of the weekdays, 1 on average: (7, series)."""
        mean = self.total / np.maximum(self.days, _TINY)
        prior = self.prior * self.total / np.maximum(self.demands, _TINY)
        expected = self.weekday_days * mean + prior
        ratio = np.divide(
            self.weekday_total + prior, expected, out=np.ones_like(expected), where=expected > 0
        )
        return ratio / ratio.mean(axis=0)

    def _best(self) -> tuple[IntArray, IntArray]:
        """Places of the rates with the least error, the slowest of equals: (series,) each."""
        flat = self.error.reshape(-1, self.days.size).argmin(axis=0)
        return np.divmod(flat, self.size_rate.size)

    def forecast(self, day: int, horizon: int) -> FloatArray:
        """Expected values of the days from `day` on: (series, horizon); NaN where nothing was known."""
        probability, size = self._best()
        series = np.arange(self.days.size)
        level = self.probability[probability, series] * self.size[size, series]
        level = np.where(self.days > 0, level, np.nan)
        weekdays = (day + np.arange(horizon)) % WEEK
        return (level * self.profile()[weekdays]).T
