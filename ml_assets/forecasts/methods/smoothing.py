"""Exponential smoothing with a weekday profile, batched: every series under every set of parameters at once.

Holt-Winters with a damped trend and a multiplicative weekday profile (Hyndman, Koehler, Ord & Snyder 2008,
"Forecasting with Exponential Smoothing"), made robust as in Gelper, Fried & Croux 2010, "Robust forecasting
with exponential and Holt-Winters smoothing": an error counts up to a multiple of its running size. The state of
a series starts with its first known day and learns as a running mean until its own rate is smaller; a profile
is drawn to the parent's, the more the noisier the series. What is forecast is the mean over the parameters,
weighted by the error each had at the weekly origins before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.batch import WEEK, Batch


@dataclass(frozen=True)
class Rates:
    """One set of parameters: rates of the level, the weekday profile and the trend, and where errors are cut."""

    level: float
    profile: float
    trend: float = 0.0
    clip: float = 1.0
    """An error counts up to so many times the running mean absolute error."""


CALM = tuple(Rates(level, profile) for level, profile in product((0.02, 0.05, 0.1, 0.2), repeat=2))
"""For series that swing around a level that holds: what sticks out says little."""

MOVING = tuple(
    Rates(level, profile, clip=2.5) for level, profile in product((0.1, 0.2, 0.4, 0.7), (0.02, 0.1))
)
"""For series whose level moves in steps, as spend does."""

TRENDING = (Rates(0.1, 0.05, trend=0.02), Rates(0.2, 0.05, trend=0.05, clip=2.5))
GRID = (*CALM, *MOVING, *TRENDING)

DAMPING = 0.9
"""Share of the trend that is left a day later."""

COUNT_CLIP = 3.0
"""An error of a count counts at least up to so many Poisson deviations: clipping must not bias rare events."""

SCALE_RATE = 0.05
LEARN_DAYS = 7
"""Errors of so many first days count in full."""

PRIOR_WEEKS = 2.0
"""Weeks' worth of trust in the profile a series starts with."""

PAST_ORIGINS = 26
"""Weekly origins by whose errors parameters are weighted."""

SHARPNESS = 32.0
"""Weight of a set of parameters: its error to minus this power, with all past origins known."""

CHUNK = 1024
"""Series smoothed at a time: their states fit the cache."""

_TINY = 1e-9


@dataclass(frozen=True)
class Smoothing:
    """The method `smoothing`: robust seasonal exponential smoothing on a grid of parameters."""

    parameters: tuple[Rates, ...] = GRID
    sharpness: float = SHARPNESS
    pull: float = 0.05

    @property
    def name(self) -> str:
        """The word that stands in `method`."""
        return "smoothing"

    def forecast(self, batch: Batch, origins: Sequence[int], horizon: int) -> FloatArray:
        """See `Method.forecast`."""
        out = np.full((len(origins), batch.height, horizon), np.nan)
        profiles = np.ones((batch.height, batch.days + 1), dtype=np.float32)
        for rows, above in _generations(batch):
            for start in range(0, rows.size, CHUNK):
                part = rows[start : start + CHUNK]
                prior = None if above is None else profiles[above[start : start + CHUNK]]
                out[:, part], profiles[part] = self._smooth(batch, part, prior, origins, horizon)
        return out

    def _smooth(
        self,
        batch: Batch,
        rows: IntArray,
        prior: np.ndarray | None,
        origins: Sequence[int],
        horizon: int,
    ) -> tuple[FloatArray, np.ndarray]:
        """Forecasts of some series and, day by day, the factor their profile had for the day."""
        values, exposure, days = batch.values[rows], None, batch.days
        if batch.exposure is not None:
            exposure = batch.exposure[rows]
            values = values / exposure
        states = _States(rows.size, self, is_count=batch.is_count)
        scored = [
            day for day in range(days) if any((o - day) % WEEK == 0 and day + horizon <= o for o in origins)
        ]
        errors: dict[int, FloatArray] = {}
        out = np.full((len(origins), rows.size, horizon), np.nan)
        used = np.ones((rows.size, days + 1), dtype=np.float32)
        wanted = {origin: place for place, origin in enumerate(origins)}
        scoring = set(scored)
        for day in range(min(days, max(origins)) + 1):
            if day in scoring:
                errors[day] = states.error(values[:, day : day + horizon], day, horizon)
            if day in wanted:
                weights = self._weights(errors, day, horizon, rows.size)
                out[wanted[day]] = states.forecast(weights, day, horizon)
            if day < days:
                used[:, day] = states.profile[day % WEEK].mean(axis=1)
                states.update(
                    values[:, day],
                    day,
                    None if exposure is None else exposure[:, day],
                    None if prior is None else prior[:, day],
                )
        return out, used

    def _weights(self, errors: dict[int, FloatArray], origin: int, horizon: int, series: int) -> FloatArray:
        """Weights of the sets of parameters by their errors at the weekly origins before: (series, sets)."""
        past = [day for day in errors if day + horizon <= origin and (origin - day) % WEEK == 0][
            -PAST_ORIGINS:
        ]
        sets = len(self.parameters)
        if not past:
            return np.full((series, sets), 1.0 / sets)
        known = np.stack([errors[day] for day in past])
        there = np.isfinite(known)
        count = there.sum(axis=0)
        mean = np.where(there, known, 0.0).sum(axis=0) / np.maximum(count, 1)
        best = np.maximum(mean.min(axis=1, keepdims=True), _TINY)
        power = self.sharpness * count / PAST_ORIGINS
        weights = np.exp(-power * np.log(np.maximum(mean, _TINY) / best))
        return weights / weights.sum(axis=1, keepdims=True)


class _States:
    """Level, trend, weekday profile and size of the errors: (series, sets of parameters)."""

    def __init__(self, series: int, method: Smoothing, *, is_count: bool) -> None:
        self.rate = np.array([rates.level for rates in method.parameters])
        self.profile_rate = np.array([rates.profile for rates in method.parameters])
        self.trend_rate = np.array([rates.trend for rates in method.parameters])
        self.clip = np.array([rates.clip for rates in method.parameters])
        shape = (series, len(method.parameters))
        self.level = np.zeros(shape)
        self.trend = np.zeros(shape)
        self.profile = np.ones((WEEK, *shape))
        self.size = np.zeros(shape)
        self.days = np.zeros((series, 1))
        self.weekdays = np.zeros((WEEK, series, 1))
        self.pull, self.is_count = method.pull, is_count

    def update(
        self, values: FloatArray, day: int, exposure: FloatArray | None, prior: np.ndarray | None
    ) -> None:
        """Take in a day: `values` (series,), NaN where it says nothing; `prior`: the parent's factor."""
        there = np.isfinite(values)[:, None]
        weekday = day % WEEK
        profile = self.profile[weekday]
        base = self.level + DAMPING * self.trend
        error = np.where(there, values[:, None] - base * profile, 0.0)
        bound = self.clip * self.size
        if self.is_count:
            bound = np.maximum(bound, COUNT_CLIP * np.sqrt(base * profile))
        bound = np.where(self.days < LEARN_DAYS, np.inf, bound)
        clipped = np.clip(error, -bound, bound)
        gain = there if exposure is None else np.where(there, exposure[:, None], 0.0)
        pace = 1.0 / (self.days + 1.0)
        step = np.maximum(self.rate, pace) * gain * clipped / np.maximum(profile, 0.05)
        new_level = np.maximum(base + step, 0.0)
        self.trend = np.where(
            self.days < 2 * WEEK,
            0.0,
            DAMPING * self.trend + self.trend_rate * (step / np.maximum(self.rate, pace)),
        )
        self.trend = np.clip(self.trend, -0.1 * new_level, 0.1 * new_level)
        self.level = np.where(there | (self.days > 0), new_level, 0.0)
        pace = 1.0 / (self.weekdays[weekday] + 1.0 + PRIOR_WEEKS)
        moved = np.maximum(self.profile_rate, pace) * gain * clipped / np.maximum(base, _TINY)
        moved = np.where((self.days >= 1) & (base > _TINY), np.clip(moved, -0.5, 0.5), 0.0)
        if prior is not None:
            noise = self.size / np.maximum(base, _TINY)
            moved += there * self.pull * np.minimum(noise, 4.0) * (prior[:, None] - profile)
        self.profile[weekday] = np.maximum(profile + moved, 0.0)
        rate = np.maximum(SCALE_RATE, 1.0 / (self.days + 1.0))
        self.size += (
            there
            * rate
            * (
                np.minimum(np.abs(error), 4.0 * np.where(self.days < LEARN_DAYS, np.inf, self.size)) * 1.25
                - self.size
            )
        )
        self.days += there
        self.weekdays[weekday] += there

    def _ahead(self, day: int, horizon: int) -> Iterator[FloatArray]:
        """Forecasts of day, day + 1, ...: (series, sets) each."""
        kept = 0.0
        for step in range(horizon):
            kept += DAMPING ** (step + 1)
            yield np.maximum(self.level + kept * self.trend, 0.0) * self.profile[(day + step) % WEEK]

    def forecast(self, weights: FloatArray, day: int, horizon: int) -> FloatArray:
        """Weighted forecasts: (series, horizon); NaN for series that have not begun."""
        ahead = np.stack([(found * weights).sum(axis=1) for found in self._ahead(day, horizon)], axis=1)
        return np.where(self.days > 0, ahead, np.nan)

    def error(self, values: FloatArray, day: int, horizon: int) -> FloatArray:
        """Mean absolute error over the horizon: (series, sets); NaN where nothing was known or came."""
        total, count = np.zeros(self.level.shape), np.zeros((self.level.shape[0], 1))
        for step, found in enumerate(self._ahead(day, horizon)):
            missed = np.abs(values[:, step, None] - found)
            there = np.isfinite(missed)
            total += np.where(there, missed, 0.0)
            count += there[:, :1]
        return np.where((count > 0) & (self.days > 0), total / np.maximum(count, 1.0), np.nan)


def _generations(batch: Batch) -> Iterator[tuple[IntArray, IntArray | None]]:
    """Rows of the roots, then of their children with the rows of their parents, and so on."""
    own = np.arange(batch.height)
    parent = own if batch.parent is None else batch.parent
    here = parent == own
    yield np.flatnonzero(here), None
    done = here
    while not done.all():
        here = done[parent] & ~done
        if not here.any():
            raise ValueError("the parents of a batch go round in a circle")
        rows = np.flatnonzero(here)
        yield rows, parent[rows]
        done = done | here
