"""Exponential smoothing with a weekday profile, batched: every series under every set of parameters at once.

Holt-Winters with a damped trend and a multiplicative weekday profile (Hyndman, Koehler, Ord & Snyder 2008,
"Forecasting with Exponential Smoothing"), made robust as in Gelper, Fried & Croux 2010, "Robust forecasting
with exponential and Holt-Winters smoothing": an error counts up to a multiple of its running size. The state
of a series starts with its first known day and learns as a running mean until its own rate is smaller; a
profile is drawn to the parent's, the more the noisier the series. What is forecast is the mean over the
parameters, weighted by the error each had at the weekly origins before.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.batch import WEEK, Batch

Single = npt.NDArray[np.float32]
"""States are single precision: they are rates and means, not sums of money."""


@dataclass(frozen=True)
class Rates:
    """One set of parameters: rates of the level, the weekday profile and the trend, and where errors end."""

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

DAMPING = 0.98
"""Share of the trend that is left a day later."""

STEEPEST = 0.02
"""A day's trend is at most this share of the level."""

COUNT_CLIP = 3.0
"""An error of a count counts at least up to so many Poisson deviations: rare events are not cut off."""

SCALE_RATE = 0.05
SURPRISE = 4.0
"""An error adds to the running size up to so many times of it."""

DEVIATION = 1.25
"""Of the mean absolute error, about a standard deviation."""

LEARN_DAYS = 7
"""Errors of so many first days count in full."""

PRIOR_WEEKS = 2.0
"""Weeks' worth of trust in the flat profile a series without a parent starts with."""

PARENT_WEEKS = 8.0
"""Weeks' worth of trust in the parent's profile."""

PULL = 0.2
"""Share by which a profile is drawn to the parent's each week, per unit of the error's relative size."""

PAST_ORIGINS = 26
"""Weekly origins by whose errors parameters are weighted."""

TRIED_DAYS = 7
"""Days ahead whose errors weigh the parameters, at most."""

SHARPNESS = 32.0
"""Weight of a set of parameters: its error to minus this power, with all past origins known."""

CHUNK = 4096
"""Series smoothed at a time: enough for numpy to outweigh the interpreter, few enough for the cache."""

_TINY = np.float32(1e-9)


@dataclass(frozen=True)
class Smoothing:
    """The method `smoothing`: robust seasonal exponential smoothing on a grid of parameters."""

    parameters: tuple[Rates, ...] = GRID

    @property
    def name(self) -> str:
        """The word that stands in `method`."""
        return "smoothing"

    def forecast(self, batch: Batch, origins: Sequence[int], horizon: int) -> FloatArray:
        """See `Method.forecast`."""
        out = np.full((len(origins), batch.height, horizon), np.nan)
        profiles = np.ones((batch.days + 1, batch.height), dtype=np.float32)

        def smooth(part: IntArray, parents: IntArray | None) -> None:
            above = None if parents is None else _Above(profiles, parents, parents != part)
            self._smooth(batch, part, above, origins, profiles, out)

        if batch.height <= CHUNK:  # parents and children through the days together
            smooth(np.arange(batch.height), batch.parent)
            return out
        # numpy works outside of the interpreter's lock: chunks of a generation side by side.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for rows, parents in _generations(batch):
                parts = [slice(start, start + CHUNK) for start in range(0, rows.size, CHUNK)]
                above = [None if parents is None else parents[part] for part in parts]
                list(pool.map(smooth, [rows[part] for part in parts], above))
        return out

    def _smooth(
        self,
        batch: Batch,
        rows: IntArray,
        above: "_Above | None",
        origins: Sequence[int],
        profiles: Single,
        out: FloatArray,
    ) -> None:
        """Write forecasts of some series and, day by day, the factor their profile had for the day."""
        horizon = out.shape[2]
        values = batch.values[rows]
        exposure = None if batch.exposure is None else batch.exposure[rows]
        if exposure is not None:
            values = values / exposure
        # Series on a scale of their own: single precision is relative.
        known = np.isfinite(values)
        scale = np.where(known, np.abs(values), 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        scale = np.where(scale > 0, scale, 1.0)
        values = np.ascontiguousarray((values / scale[:, None]).astype(np.float32).T)
        states = _States(scale if batch.is_count else None, rows.size, self.parameters, above)
        tried = min(horizon, TRIED_DAYS)
        errors: dict[int, Single] = {}
        places = {origin: place for place, origin in enumerate(origins)}
        remainders = {origin % WEEK for origin in origins}
        last = max(origins)
        begun = known.any(axis=0)
        shares = None if exposure is None else np.ascontiguousarray(exposure.T.astype(np.float32))
        for day in range(min(int(begun.argmax()) if begun.any() else last, *origins), last + 1):
            if day in places:
                weights = self._weights(errors, day, tried, rows.size)
                out[places[day], rows] = states.forecast(weights, day, horizon) * scale[:, None]
            if day == last:
                break
            if day % WEEK in remainders and day + tried <= last:
                errors[day] = states.error(values[day : day + tried], day)
            if batch.parent is not None:
                profiles[day, rows] = states.profile[day % WEEK].mean(axis=0)
            states.update(values[day], day, None if shares is None else shares[day])

    def _weights(self, errors: dict[int, Single], origin: int, tried: int, series: int) -> FloatArray:
        """Weights of the parameters by their errors at the weekly origins before: (sets, series)."""
        past = [day for day in errors if day + tried <= origin and (origin - day) % WEEK == 0]
        sets = len(self.parameters)
        if not past:
            return np.full((sets, series), 1.0 / sets)
        known = np.stack([errors[day] for day in past[-PAST_ORIGINS:]])
        there = np.isfinite(known)
        count = there.sum(axis=0)
        mean = np.where(there, known, 0.0).sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
        best = np.maximum(mean.min(axis=0), _TINY)
        power = SHARPNESS * count / PAST_ORIGINS
        weights = np.exp(-power * np.log(np.maximum(mean, _TINY) / best))
        return weights / weights.sum(axis=0)


@dataclass(frozen=True)
class _Above:
    """What the parents' profiles were, day by day."""

    profiles: Single
    """(days, series of the batch)"""
    parents: IntArray
    """Columns of `profiles`."""
    has_parent: npt.NDArray[np.bool_]

    def on(self, day: int) -> Single:
        """The parents' factor for the day: (series,)."""
        return self.profiles[day, self.parents]


class _States:
    """Level, trend, weekday profile and size of the errors: (sets of parameters, series)."""

    def __init__(
        self,
        count_scale: FloatArray | None,
        series: int,
        parameters: Sequence[Rates],
        above: _Above | None,
    ) -> None:
        self.rate, self.profile_rate, self.trend_rate, self.clip = np.array(
            [(rates.level, rates.profile, rates.trend, rates.clip) for rates in parameters], dtype=np.float32
        ).T[:, :, None]
        shape = (len(parameters), series)
        self.level = np.zeros(shape, dtype=np.float32)
        self.trend = np.zeros(shape, dtype=np.float32)
        self.profile = np.ones((WEEK, *shape), dtype=np.float32)
        self.size = np.zeros(shape, dtype=np.float32)
        self.days = np.zeros(series, dtype=np.float32)
        self.weekdays = np.zeros((WEEK, series), dtype=np.float32)
        self.above = above
        has_parent = np.zeros(series, dtype=bool) if above is None else above.has_parent
        self.trust = np.where(has_parent, PARENT_WEEKS, PRIOR_WEEKS).astype(np.float32)
        self.pull = np.where(has_parent, PULL, 0.0).astype(np.float32)
        # A count's Poisson deviation, on the series' own scale.
        self.poisson = None if count_scale is None else (COUNT_CLIP**2 / count_scale).astype(np.float32)

    def update(self, values: Single, day: int, exposure: Single | None) -> None:
        """Take in a day: `values` (series,), NaN where it says nothing."""
        there = np.isfinite(values)
        weight = there.astype(np.float32)
        weekday, young = day % WEEK, self.days < LEARN_DAYS
        profile = self.profile[weekday]
        prior = None if self.above is None else self.above.on(day)
        if prior is not None:  # a weekday that comes for the first time is as with the parent
            is_new = (self.weekdays[weekday] == 0) & (self.pull > 0)
            np.copyto(profile, prior, where=is_new)
        base = self.trend * np.float32(DAMPING)
        base += self.level
        expected = base * profile
        error = np.where(there, values, np.float32(0.0)) - expected
        error *= weight
        bound = self.clip * self.size
        if self.poisson is not None:
            np.maximum(bound, np.sqrt(self.poisson * expected), out=bound)
        is_early = bool(young.any())
        if is_early:
            np.copyto(bound, np.float32(np.inf), where=young)
        clipped = np.minimum(error, bound)
        np.maximum(clipped, np.negative(bound, out=bound), out=clipped)
        clipped *= weight if exposure is None else weight * exposure
        step = clipped / np.maximum(profile, np.float32(0.05))
        self._move_profile(weekday, clipped, base, weight, prior)
        self.trend *= np.float32(DAMPING)
        self.trend += self.trend_rate * step
        self.trend *= self.days >= 2 * WEEK
        step *= np.maximum(self.rate, 1.0 / (self.days + 1.0))
        np.add(base, step, out=self.level)
        np.maximum(self.level, 0.0, out=self.level)
        steepest = np.float32(STEEPEST) * self.level
        np.minimum(self.trend, steepest, out=self.trend)
        np.maximum(self.trend, np.negative(steepest, out=steepest), out=self.trend)
        size = np.abs(error, out=error)
        most = np.float32(SURPRISE) * self.size
        if is_early:
            np.copyto(most, np.float32(np.inf), where=young)
        np.minimum(size, most, out=size)
        size *= np.float32(DEVIATION)
        size -= self.size
        size *= weight * np.maximum(np.float32(SCALE_RATE), 1.0 / (self.days + 1.0))
        self.size += size
        self.days += weight
        self.weekdays[weekday] += weight

    def _move_profile(
        self, weekday: int, clipped: Single, base: Single, weight: Single, prior: Single | None
    ) -> None:
        profile = self.profile[weekday]
        floor = np.maximum(base, _TINY)
        moved = clipped / floor
        moved *= np.maximum(self.profile_rate, 1.0 / (self.weekdays[weekday] + 1.0 + self.trust))
        np.minimum(moved, np.float32(0.5), out=moved)
        np.maximum(moved, np.float32(-0.5), out=moved)
        moved *= (base > _TINY) & (self.days >= 1)
        if prior is not None:
            noise = np.divide(self.size, floor, out=floor)
            np.minimum(noise, np.float32(SURPRISE), out=noise)
            noise *= self.pull * weight
            noise *= prior - profile
            moved += noise
        profile += moved
        np.maximum(profile, 0.0, out=profile)

    def _ahead(self, day: int, horizon: int) -> Iterator[Single]:
        """Forecasts of day, day + 1, ...: (sets, series) each."""
        kept = 0.0
        for step in range(horizon):
            kept += DAMPING ** (step + 1)
            level = np.float32(kept) * self.trend
            level += self.level
            np.maximum(level, 0.0, out=level)
            level *= self.profile[(day + step) % WEEK]
            yield level

    def forecast(self, weights: FloatArray, day: int, horizon: int) -> FloatArray:
        """Forecasts weighted by `weights` (sets, series): (series, horizon); NaN where none has begun."""
        ahead = [np.einsum("sn,sn->n", found, weights) for found in self._ahead(day, horizon)]
        return np.where(self.days > 0, np.stack(ahead), np.nan).T

    def error(self, values: Single, day: int) -> Single:
        """Mean absolute error of the days ahead: (sets, series); NaN where nothing was known or came."""
        there = np.isfinite(values)
        known = np.where(there, values, np.float32(0.0))
        total = np.zeros_like(self.level)
        for step, found in enumerate(self._ahead(day, values.shape[0])):
            missed = np.subtract(found, known[step], out=found)
            np.abs(missed, out=missed)
            missed *= there[step]
            total += missed
        count = there.sum(axis=0).astype(np.float32)
        return np.where((count > 0) & (self.days > 0), total / np.maximum(count, 1.0), np.float32(np.nan))


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
