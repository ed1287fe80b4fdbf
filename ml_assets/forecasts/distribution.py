"""The distribution a day's figure is forecast with: two numbers per day, from which every quantile follows.

A figure with mean m and dispersion k has variance m + k m^2 where it is a count (negative binomial; k = 0 is
Poisson) and k m^2 where it is money (gamma of shape 1 / k; k = 0 is the point m). Mean 0 is the point 0.

Quantiles are asked for by the ten million, where inverting the incomplete gamma function cell by cell takes
minutes. They come from three places instead:

- money: a table of log quantiles of the gamma distribution with mean 1, over the logit of the level and the
  logarithm of the shape, times sqrt(shape). That product tends to the normal quantile as the shape grows, so
  it is smooth and has a limit at k = 0. For levels from 0.0001 to 0.9999 the error is below 0.2 % of the
  quantile (k up to 10; 0.5 % up to 100, 2 % up to 900), or below 0.01 % of the mean;
- small counts, all quantiles asked for below `WIDTH`: the recursion of the probabilities and a binary search
  in their running total, exact;
- large counts: a gamma distribution shifted so that mean, variance and skewness are those of the count
  (Pearson's type III), with half a count for continuity; off by at most 1 count or 1 %.

Where the mean and dispersion come from is the business of the calibration.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import betaincc, expit, gammainc, gammaincc, gammainccinv, gammaincinv

from ml_assets.errors import UsageError
from ml_assets.features.grid import FloatArray

SMALLEST_LEVEL = 1e-9
"""Levels are kept this far from 0 and 1; level 0 itself is the quantile 0."""

WIDTH = 64
"""Counts below are searched for among their exact probabilities. A power of two."""

LARGEST_SEARCHED = 40.0
"""Means above are not tried: their upper quantiles lie beyond `WIDTH`."""

_CELLS = 1 << 16
"""Cells of one pass, so that its arrays stay in the processor's cache."""

_LOG_SHAPES = (float(np.log(1e-3)), float(np.log(1e8)))
"""Ends of the table; the product it holds hardly changes beyond the upper one."""
_SHAPES = 400
_LOGITS = 21.0
"""The table reaches from minus so much to so much: beyond `SMALLEST_LEVEL` on either side."""
_PER_LOGIT = 16
_LEAST_LOG = -60.0
_POISSON_BELOW = 1e-9
"""Dispersions that make no difference."""

_NARROW = 8
"""Most daily counts of ads stay below: half the steps of the search."""

Numbers = npt.ArrayLike
Singles = npt.NDArray[np.float32]
"""Precise enough for a table, and twice as fast."""


def cdf_bounds(
    values: Numbers, mean: Numbers, dispersion: Numbers, *, is_count: bool
) -> tuple[FloatArray, FloatArray]:
    """P(Y < y) and P(Y <= y) of values under their distributions; the arguments are broadcast.

    Both are the same for money, but at a point (dispersion 0 or mean 0). NaN where an argument is NaN.
    """
    y, m, k = np.broadcast_arrays(
        *(np.asarray(part, dtype=np.float64) for part in (values, mean, dispersion))
    )
    if is_count:
        below, upto = _count_bounds(y, m, k)
    else:
        is_point = (m <= 0) | (k <= 0)
        shape = 1.0 / np.where(is_point, 1.0, k)
        reached = np.maximum(y, 0.0) * shape / np.where(is_point, 1.0, m)
        smooth = gammainc(shape, reached)
        below, upto = np.where(is_point, y > m, smooth), np.where(is_point, y >= m, smooth)
    unknown = np.isnan(y) | np.isnan(m) | np.isnan(k)
    return np.where(unknown, np.nan, below), np.where(unknown, np.nan, upto)


def randomised_pit(
    values: Numbers, mean: Numbers, dispersion: Numbers, *, is_count: bool, uniform: Numbers
) -> FloatArray:
    """Where in its distribution each value fell, in [0, 1]: uniform if the distributions are right.

    `uniform` (random, in [0, 1]) says where within the step that a count is; without it small counts would
    never look calibrated (Czado, Gneiting & Held 2009, "Predictive model assessment for count data"). NaN
    where an argument is NaN.
    """
    below, upto = cdf_bounds(values, mean, dispersion, is_count=is_count)
    return below + np.asarray(uniform, dtype=np.float64) * (upto - below)


def quantile(levels: Numbers, mean: FloatArray, dispersion: FloatArray, *, is_count: bool) -> FloatArray:
    """Quantiles of n distributions: (n, q), of `levels` (q,) or (n, q) in [0, 1].

    `mean` and `dispersion` are (n,) and not negative; a dispersion above 1000 counts as 1000. Of a count the
    smallest integer y with P(Y <= y) >= level. Accuracy as the module says; never negative. With the level it
    does not fall, but for rounding (a millionth). NaN where mean or dispersion is NaN. UsageError for levels
    outside of [0, 1].
    """
    level = np.atleast_2d(np.asarray(levels, dtype=np.float64))
    mean, dispersion = np.asarray(mean, dtype=np.float64), np.asarray(dispersion, dtype=np.float64)
    found = np.empty((mean.size, level.shape[1]))
    rows = max(1, _CELLS // max(level.shape[1], 1))
    is_shared = level.shape[0] == 1
    shared = _Ranks.of(level) if is_shared else None
    write = _write_counts if is_count else _write_money
    for first in range(0, mean.size, rows):
        part = slice(first, first + rows)
        ranks = shared or _Ranks.of(level[part])
        write(ranks, mean[part], dispersion[part], found[part])
        if ranks.has_zero:
            np.copyto(found[part], 0.0, where=(level if is_shared else level[part]) <= 0.0)
    return found


@dataclass(frozen=True)
class _Ranks:
    """Levels away from 0 and 1, (1 or rows, q), and their places in the table."""

    level: FloatArray
    has_zero: bool

    @classmethod
    def of(cls, level: FloatArray) -> "_Ranks":
        """Levels as given; UsageError for those outside of [0, 1]."""
        least, most = level.min(initial=1.0), level.max(initial=0.0)
        if not (least >= 0.0 and most <= 1.0):
            raise UsageError("Levels of quantiles lie between 0 and 1; give probabilities, not percentages.")
        return cls(np.clip(level, SMALLEST_LEVEL, 1.0 - SMALLEST_LEVEL), bool(least <= 0.0))

    @cached_property
    def place(self) -> tuple[npt.NDArray[np.intp], Singles]:
        """Column of the table left of each level, and how far it is to the next."""
        odds = 1.0 - self.level
        np.divide(self.level, odds, out=odds)
        place = odds.astype(np.float32)
        np.log(place, out=place)
        place += np.float32(_LOGITS)
        place *= np.float32(_PER_LOGIT)
        column = place.astype(np.intp)
        place -= column.astype(np.float32)
        return column, place

    def take(self, rows: npt.NDArray[np.bool_]) -> "_Ranks":
        """The levels of some rows; they are the same for all rows if there is only one row of them."""
        if self.level.shape[0] == 1 or rows.all():
            return self
        return _Ranks(self.level[rows], self.has_zero)


@lru_cache(maxsize=1)
def _log_quantiles() -> Singles:
    """sqrt(shape) log(quantile / mean) of gamma distributions: (shapes, logits of the level)."""
    shape = np.exp(np.linspace(*_LOG_SHAPES, _SHAPES))[:, None]
    logit = np.arange(-_LOGITS, _LOGITS + 1e-9, 1.0 / _PER_LOGIT)[None, :]
    # Each tail from its own side: 1 - 1e-9 keeps few digits.
    lower = gammaincinv(shape, expit(np.minimum(logit, 0.0)))
    upper = gammainccinv(shape, expit(-np.maximum(logit, 0.0)))
    relative = np.where(logit < 0.0, lower, upper) / shape
    logs = np.maximum(np.log(np.maximum(relative, 1e-300)), _LEAST_LOG)
    return (np.sqrt(shape) * logs).astype(np.float32)


def _unit_gamma(ranks: _Ranks, inverse_shape: FloatArray) -> Singles:
    """Quantiles of gamma distributions with mean 1: (rows, q)."""
    table = _log_quantiles()
    lowest, highest = _LOG_SHAPES
    inverse = np.clip(np.nan_to_num(inverse_shape), np.exp(-highest), np.exp(-lowest))
    place = (-np.log(inverse) - lowest) * ((_SHAPES - 1) / (highest - lowest))
    row = np.clip(place.astype(np.intp), 0, _SHAPES - 2)
    weight = (place - row).astype(np.float32)[:, None]
    # Between shapes a whole row of the table is interpolated where that is less than the cells asked for.
    if table.shape[1] < 4 * ranks.level.shape[1]:
        curves = table[row + 1]
        curves -= table[row]
        curves *= weight
        curves += table[row]
        logs = _along(curves, np.arange(row.size), ranks)
    else:
        logs = _along(table, row, ranks)
        logs += weight * (_along(table, row + 1, ranks) - logs)
    logs *= np.sqrt(np.minimum(inverse_shape, np.exp(-lowest))).astype(np.float32)[:, None]
    return np.exp(logs, out=logs)


def _along(table: Singles, row: npt.NDArray[np.intp], ranks: _Ranks) -> Singles:
    """The table's rows at the places of the levels, linear in between: (rows, q)."""
    flat = table.ravel()
    column, between = ranks.place
    at = (row * table.shape[1])[:, None] + column
    found = flat.take(at)
    step = flat[1:].take(at)
    step -= found
    step *= between
    found += step
    return found


def _write_money(ranks: _Ranks, mean: FloatArray, dispersion: FloatArray, out: FloatArray) -> None:
    np.multiply(_unit_gamma(ranks, dispersion), mean[:, None], out=out)


def _write_counts(ranks: _Ranks, mean: FloatArray, dispersion: FloatArray, out: FloatArray) -> None:
    remaining = np.ones(mean.shape, dtype=np.bool_)
    small = np.flatnonzero(mean <= LARGEST_SEARCHED)
    if small.size:
        total = _running_total(mean[small], dispersion[small])
        top = np.broadcast_to(ranks.level.max(axis=1, initial=0.0), mean.shape)[small]
        is_narrow, is_reached = (total[:, width - 1] >= top for width in (_NARROW, WIDTH))
        for width, has_width in ((_NARROW, is_narrow), (WIDTH, is_reached & ~is_narrow)):
            rows = small[has_width]
            if rows.size:
                chosen = np.zeros(mean.shape, dtype=np.bool_)
                chosen[rows] = True
                out[rows] = _search(np.ascontiguousarray(total[has_width, :width]), ranks.take(chosen))
                remaining[rows] = False
    if remaining.any():
        out[remaining] = _large_count(ranks.take(remaining), mean[remaining], dispersion[remaining])


def _running_total(mean: FloatArray, dispersion: FloatArray) -> FloatArray:
    """P(Y <= y) of counts for y = 0 ... WIDTH - 1: (rows, WIDTH)."""
    spread = mean * dispersion
    is_poisson = dispersion < _POISSON_BELOW
    shape = 1.0 / np.where(is_poisson, 1.0, dispersion)
    probability = np.exp(np.where(is_poisson, -mean, -np.log1p(spread) * shape))
    ratio, growth = mean / (1.0 + spread), spread / (1.0 + spread)
    # p(y) = p(y - 1) (m + k m (y - 1)) / (y (1 + k m)), with k = 0 the Poisson's.
    total = np.empty((WIDTH, mean.size))
    total[0] = probability
    for count in range(1, WIDTH):
        probability = probability * ((ratio + growth * (count - 1)) / count)
        np.add(total[count - 1], probability, out=total[count])
    return total.T


def _search(total: FloatArray, ranks: _Ranks) -> npt.NDArray[np.intp]:
    """The first place where each row's running total reaches the level: (rows, q)."""
    rows, width = total.shape
    flat = total.ravel()
    start = (np.arange(rows) * width)[:, None]
    place = np.repeat(start, ranks.level.shape[1], axis=1)
    half = width // 2
    while half:
        falls_short = flat[half - 1 :].take(place) < ranks.level
        place += falls_short * np.intp(half)
        half //= 2
    place -= start
    return place


def _pearson(mean: FloatArray, dispersion: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Inverse shape, and shift below 0, of the gamma distribution with a count's first three moments."""
    spread = mean * dispersion
    twice = 1.0 + 2.0 * spread
    # Shape 4 / skewness^2, scale sd * skewness / 2; the shift makes the mean right.
    return twice**2 / (4.0 * mean * (1.0 + spread)), mean / twice


def _large_count(ranks: _Ranks, mean: FloatArray, dispersion: FloatArray) -> FloatArray:
    """Counts of large mean or long tail: (rows, q)."""
    inverse_shape, shift = _pearson(mean, dispersion)
    found = _unit_gamma(ranks, inverse_shape) * (mean + shift)[:, None]
    found -= (shift + 0.5)[:, None]
    np.ceil(found, out=found)
    return np.maximum(found, 0.0, out=found)


def _count_bounds(values: FloatArray, mean: FloatArray, dispersion: FloatArray) -> tuple[FloatArray, ...]:
    """`cdf_bounds` of counts: small ones from the running total, the others by the incomplete integrals."""
    y, m, k = values.ravel(), mean.ravel(), dispersion.ravel()
    below, upto = np.full(y.size, np.nan), np.full(y.size, np.nan)
    first, last = np.ceil(y) - 1.0, np.floor(y)
    is_small = (last < WIDTH) & (m > 0) & (m <= LARGEST_SEARCHED)
    small = np.flatnonzero(is_small & (first < WIDTH))
    for start in range(0, small.size, _CELLS):
        rows = small[start : start + _CELLS]
        total = _running_total(m[rows], k[rows])
        cells = np.arange(rows.size)
        for out, counts in ((below, first[rows]), (upto, last[rows])):
            reached = total[cells, np.maximum(counts, 0.0).astype(np.intp)]
            out[rows] = np.where(counts < 0.0, 0.0, np.minimum(reached, 1.0))
    large = np.flatnonzero(~is_small)
    below[large] = _count_cdf(first[large], m[large], k[large])
    upto[large] = _count_cdf(last[large], m[large], k[large])
    return below.reshape(values.shape), upto.reshape(values.shape)


def _count_cdf(counts: FloatArray, mean: FloatArray, dispersion: FloatArray) -> FloatArray:
    """P(Y <= y) of integers y, which may be -1; of large means to 0.0002, as their quantiles are."""
    total = np.where(counts < 0.0, 0.0, np.where(mean <= 0.0, 1.0, np.nan))
    is_open = np.isnan(total)
    large = is_open & (mean > LARGEST_SEARCHED)
    inverse_shape, shift = _pearson(mean[large], dispersion[large])
    relative = (counts[large] + 0.5 + shift) / (mean[large] + shift)
    total[large] = gammainc(1.0 / inverse_shape, relative / inverse_shape)
    small = is_open & ~large
    at, m, k = counts[small] + 1.0, mean[small], dispersion[small]
    is_poisson = k * np.maximum(m, 1.0) < _POISSON_BELOW
    spread = np.where(is_poisson, 1.0, m * k)
    # Both regularised integrals are those of the upper side, which keep their digits where spread is small.
    mixed = betaincc(at, 1.0 / np.where(is_poisson, 1.0, k), spread / (1.0 + spread))
    total[small] = np.where(is_poisson, gammaincc(at, m), mixed)
    return total
