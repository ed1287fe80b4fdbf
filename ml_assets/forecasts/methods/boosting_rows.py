"""What the global model sees of a series at an origin, and the rows it learns from. No model here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.batch import WEEK, Batch

WEEKS = 8
LOOK_BACK = WEEKS * WEEK
"""Days before an origin that features are made of."""

LEVEL_DAYS = 28
TRIMMED = 0.1
"""Share of the days that is cut off at either end of the level's mean: one day of Christmas is no level."""

RARE = 0.3
"""From this share of zero days on nothing is trimmed: the rare days are the level."""

LEAST_KNOWN = 3
"""Known days a window must have to be learnt from."""

LEAST_EXPOSURE = 0.5
"""Targets of less are not learnt from. Weights in their stead would make the fit several times slower."""

LEAST_ORIGINS = 8
"""Training origins to have before series are left out."""

STEPS = 14
"""Days ahead learnt from per window; of a longer horizon every second, every third day."""

_TINY = 1e-6

Matrix32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Series:
    """Matured values and what each day counts, of all series of a batch."""

    values: FloatArray
    weight: FloatArray
    """(series, days): the exposure; 0 where the value is not known."""
    first_weekday: int

    @classmethod
    def of(cls, batch: Batch) -> "Series":
        """The series of a batch; values that are not known become 0 with weight 0."""
        matured = batch.matured()
        known = np.isfinite(matured)
        weight = known.astype(np.float64) if batch.exposure is None else np.where(known, batch.exposure, 0.0)
        return cls(np.where(known, matured, 0.0), weight, batch.weekday(0))

    def take(self, rows: IntArray | slice) -> "Series":
        """Only the given series."""
        return Series(self.values[rows], self.weight[rows], self.first_weekday)


def features(series: Series, origin: int, steps: Sequence[int]) -> tuple[Matrix32, FloatArray]:
    """Features (series, steps, features) of the days origin + step; the level (series,) they are scaled by.

    Only days before `origin` are read. What is not known is NaN. The level is NaN where nothing is known and
    0 where all that is known is 0.
    """
    values, weight = _window(series, origin)
    known = weight > 0
    recent = slice(LOOK_BACK - LEVEL_DAYS, None)
    level = _level(series, values, weight, origin)
    scaled = np.where(known, values / np.where(level > 0, level, 1.0)[:, None], np.nan)
    rows = values.shape[0]
    weeks, counted = scaled.reshape(rows, WEEKS, WEEK), weight.reshape(rows, WEEKS, WEEK)
    usual = _median(weeks)
    rhythm = np.tile(usual, WEEKS)
    relative = np.divide(scaled, rhythm, out=np.full_like(scaled, np.nan), where=rhythm > _TINY)
    pace = _median(relative[:, -2 * WEEK :])
    whole = [
        *(_mean(scaled[:, -days:], weight[:, -days:]) for days in (3, 7, 14, LEVEL_DAYS, LOOK_BACK)),
        _median(scaled[:, -WEEK:]),
        _median(scaled[:, recent]),
        _deviation(scaled[:, recent], weight[:, recent]),
        _mean(np.where(known, values == 0, np.nan), weight),
        np.log1p(level),
        _mean(relative[:, -WEEK:], weight[:, -WEEK:]),
        pace,
    ]
    weekdays = np.stack(
        [
            *(weeks[:, -back] for back in (1, 2, 3, 4)),
            _mean(weeks[:, -4:], counted[:, -4:]),
            _mean(weeks, counted),
            _median(weeks[:, -4:]),
            usual,
            usual * pace[:, None],
        ],
        axis=2,
    )
    ahead = np.asarray(steps)
    calendar = np.stack([ahead, (series.first_weekday + origin + ahead) % WEEK], axis=1)
    parts = [
        weekdays[:, ahead % WEEK],
        np.broadcast_to(calendar, (rows, *calendar.shape)),
        np.broadcast_to(np.stack(whole, axis=1)[:, None], (rows, ahead.size, len(whole))),
    ]
    return np.concatenate(parts, axis=2, dtype=np.float32, casting="same_kind"), level


def training_rows(series: Series, fit_at: int, horizon: int, most: int) -> tuple[Matrix32, FloatArray]:
    """Features (rows, features) and scaled targets (rows,) of the days before `fit_at`.

    At most about `most` rows. Which ones, and their order, follow from the values and not from the order of
    the series.
    """
    order = _order(series, fit_at)
    thin = -(-horizon // STEPS)
    per_window = -(-horizon // thin)
    order = order[: max(most // (per_window * LEAST_ORIGINS), 1)]
    chosen = series.take(order)
    found = [
        _rows_of_origin(chosen, origin, fit_at, range(place % thin, horizon, thin))
        for place, origin in enumerate(_training_origins(fit_at, most / (per_window * max(order.size, 1))))
    ]
    if not found:
        return np.empty((0, 0), dtype=np.float32), np.empty(0)
    return np.concatenate([rows for rows, _ in found]), np.concatenate([targets for _, targets in found])


def _training_origins(fit_at: int, wanted: float) -> Iterator[int]:
    """About `wanted` origins, the latest first, of every weekday in turn, each with a week before it."""
    stride = max(int(np.ceil((fit_at - 2 * WEEK) / max(wanted, 1.0))), 1)
    stride += stride % WEEK == 0
    yield from range(fit_at - WEEK, WEEK - 1, -stride)


def _rows_of_origin(
    series: Series, origin: int, fit_at: int, steps: Sequence[int]
) -> tuple[Matrix32, FloatArray]:
    steps = [step for step in steps if origin + step < fit_at]
    rows, level = features(series, origin, steps)
    days = origin + np.asarray(steps, dtype=np.int64)
    known = (series.weight[:, max(origin - LOOK_BACK, 0) : origin] > 0).sum(axis=1)
    usable = (level > 0) & (known >= LEAST_KNOWN)
    counts = (series.weight[:, days] >= LEAST_EXPOSURE) & usable[:, None]
    scaled = series.values[:, days] / np.where(usable, level, 1.0)[:, None]
    return rows[counts], scaled[counts]


def _order(series: Series, fit_at: int) -> IntArray:
    """Rows by a hash of their values before `fit_at`; those with nothing but zeros are left out."""
    values = np.where(series.weight > 0, series.values, -1.0)[:, :fit_at]
    factors = np.random.default_rng(0).integers(1, 2**63, size=fit_at, dtype=np.uint64) | np.uint64(1)
    digest = (np.ascontiguousarray(values).view(np.uint64) * factors).sum(axis=1, dtype=np.uint64)
    digest = (digest ^ (digest >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
    order = np.argsort(digest, kind="stable")
    return order[np.any(values > 0, axis=1)[order]]


def _window(series: Series, origin: int) -> tuple[FloatArray, FloatArray]:
    """Values and weights of the days before an origin: (series, LOOK_BACK), of weight 0 before the first."""
    start, pad = max(origin - LOOK_BACK, 0), max(LOOK_BACK - origin, 0)
    width = ((0, 0), (pad, 0))
    return np.pad(series.values[:, start:origin], width), np.pad(series.weight[:, start:origin], width)


def _level(series: Series, values: FloatArray, weight: FloatArray, origin: int) -> FloatArray:
    """Trimmed mean of the last four weeks; of rare or no recent values the mean of eight, or of all days."""
    recent, known = values[:, -LEVEL_DAYS:], weight[:, -LEVEL_DAYS:] > 0
    count = known.sum(axis=1)
    cut = np.floor(count * TRIMMED)
    place = np.arange(LEVEL_DAYS)
    kept = (place >= cut[:, None]) & (place < (count - cut)[:, None])
    ranked = np.sort(np.where(known, recent, np.inf), axis=1)
    trimmed = np.where(kept, ranked, 0.0).sum(axis=1) / np.maximum(kept.sum(axis=1), 1)
    zeros = (known & (recent == 0)).sum(axis=1) / np.maximum(count, 1)
    level = np.where((count > 0) & (zeros < RARE), trimmed, _mean(values, weight))
    everything = _mean(series.values[:, :origin], series.weight[:, :origin])
    return np.where(np.isfinite(level), level, everything)


def _mean(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Weighted means along axis 1; NaN where nothing is known."""
    counted = np.where(np.isfinite(values), weight, 0.0)
    total = np.where(counted > 0, values * counted, 0.0).sum(axis=1)
    count = counted.sum(axis=1)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _deviation(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Weighted standard deviation along axis 1."""
    return np.sqrt(_mean((values - _mean(values, weight)[:, None]) ** 2, weight))


def _median(values: FloatArray) -> FloatArray:
    """Medians along axis 1 of what is known; NaN where nothing is. numpy's own goes row by row."""
    ranked = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(values).sum(axis=1)
    low = np.expand_dims(np.maximum(count - 1, 0) // 2, 1)
    high = np.expand_dims(np.minimum(count // 2, values.shape[1] - 1), 1)
    middle = np.take_along_axis(ranked, low, 1) + np.take_along_axis(ranked, high, 1)
    return np.where(count > 0, middle.squeeze(1) / 2, np.nan)
