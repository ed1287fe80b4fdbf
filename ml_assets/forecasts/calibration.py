"""How wide a forecast is: distributions whose stated probabilities are those that came true in the backtest.

A day's figure is taken to be negative binomial (counts) or gamma (money) around its coherent mean, with a
dispersion learnt per node and shrunk to its level's. Where the figures of the backtest fell in these
distributions (their PIT) says how wrong the shapes are, per account, level and days ahead: bounds are taken
at the quantiles of those values, not at the nominal ones (distributional conformal prediction; Chernozhukov,
Wüthrich & Zhu 2021). Sample paths use the values of whole origins, all metrics and days together, so that
spend and leads, and one day and the next, go with each other as they did.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.distribution import cdf_bounds, quantile, randomised_pit
from ml_assets.forecasts.frames import COUNTS, METRICS

BUCKETS = (1, 2, 4, 8, 15, 29)
"""First day ahead of each group of days that is calibrated together."""

PRIOR_VALUES = 20
"""Evenly spaced values that stand in for a distribution that is right, until enough came in."""

PRIOR_ORIGINS = 4.0
"""Origins' worth of trust in the dispersion of the level."""

LEAST_DISPERSION, MOST_DISPERSION = 0.002, 6.0
DEFAULT_DISPERSION = 0.05
LARGEST_SURPRISE = 16.0
"""Squared relative errors count up to this: one paused entity does not set the width of all."""

SAMPLE = 1000
"""Nodes of an account and step from which the distributions are judged; more do not move them."""

LARGEST_SMALL = 40.0
HALF = 0.5

LEAST_PATHS = 60
"""Origins of the backtest, over all nodes of a level, below which made-up ones are added."""

PERSISTENCE = 0.5
"""Correlation of the made-up paths' deviations from day to day and between metrics."""


@dataclass(frozen=True)
class Calibration:
    """What a backtest says of the width of the forecasts of a tree."""

    dispersion: dict[str, FloatArray]
    """Metric -> (nodes,)."""
    group: IntArray
    """(nodes,): account and step of the tree."""
    values: dict[str, FloatArray]
    """Metric -> PIT of the backtest (origins, sample, steps); NaN where nothing was forecast or known."""
    sampled: IntArray
    """(sample,): groups of the nodes whose values these are."""
    seeds: IntArray
    """(groups,): the seed of each group's made-up paths."""
    tables: dict[tuple[str, tuple[float, ...]], FloatArray] = field(default_factory=dict, repr=False)
    """What `bounds` looked up before."""

    def bounds(
        self, metric: str, mean: FloatArray, levels: Sequence[float], rows: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Calibrated quantiles of the means (rows, horizon), and where in the distributions they stand.

        Both (rows, horizon, levels). With a perfect distribution they stand at the levels themselves.
        """
        horizon = mean.shape[1]
        bucket = np.searchsorted(BUCKETS, np.arange(1, horizon + 1), side="right") - 1
        chosen = self._tables(metric, levels)[self.group[rows][:, None], bucket[None, :]]
        chosen = chosen.reshape(-1, len(levels))
        dispersion = np.repeat(self.dispersion[metric][rows], horizon)
        is_count = metric in COUNTS
        found = quantile(chosen, mean.ravel(), dispersion, is_count=is_count)
        return found.reshape(*mean.shape, len(levels)), chosen.reshape(*mean.shape, len(levels))

    def inside(
        self, metric: str, mean: FloatArray, bounds: FloatArray, levels: FloatArray, rows: IntArray
    ) -> FloatArray:
        """Which share of the probability of a bound's own figure lies inside the interval.

        `bounds` and `levels` (rows, horizon, 2): lower and upper, as `bounds` found them; the same shape
        comes back. 1 for money, and a half of a large count, whose own probability is next to nothing.
        """
        if metric not in COUNTS:
            return np.ones_like(bounds)
        share = np.full(bounds.shape, HALF)
        small = mean <= LARGEST_SMALL
        spread = np.broadcast_to(self.dispersion[metric][rows][:, None], mean.shape)[small][:, None]
        below, upto = cdf_bounds(bounds[small], mean[small][:, None], spread, is_count=True)
        kept = np.minimum(upto, levels[small][:, 1:]) - np.maximum(below, levels[small][:, :1])
        share[small] = np.divide(kept, upto - below, out=np.ones_like(kept), where=upto > below)
        return np.clip(share, 0.0, 1.0)

    def _tables(self, metric: str, levels: Sequence[float]) -> FloatArray:
        """Where in the distributions the levels are found: (groups, buckets, levels)."""
        key = metric, tuple(levels)
        if key in self.tables:
            return self.tables[key]
        values = self.values[metric]
        steps = np.searchsorted(BUCKETS, np.arange(1, values.shape[2] + 1), side="right") - 1
        prior = (np.arange(PRIOR_VALUES) + 0.5) / PRIOR_VALUES
        out = np.empty((self.seeds.size, len(BUCKETS), len(levels)))
        for group in range(self.seeds.size):  # accounts x 4, whatever the number of nodes
            of_group = values[:, self.sampled == group]
            last = np.empty(0)
            for bucket in range(len(BUCKETS)):
                found = of_group[:, :, steps == bucket]
                found = found[np.isfinite(found)]
                last = found if found.size else last  # further ahead than was tried: as the last that was
                out[group, bucket] = np.quantile(np.concatenate([last, prior]), levels, method="hazen")
        self.tables[key] = out
        return out

    def paths(self, mean: dict[str, FloatArray], rows: IntArray, count: int) -> dict[str, FloatArray]:
        """Sample paths of nodes of one group around their means (rows, horizon): (rows, count, horizon).

        Whole days ahead of the backtest, then the same again; the same `count` origins for all rows. Raises
        ValueError where the rows are of several groups.
        """
        groups = np.unique(self.group[rows])
        if groups.size > 1:
            raise ValueError("paths are drawn for nodes of one account and level at a time")
        horizon = next(iter(mean.values())).shape[1]
        drawn = self._drawn(int(groups[0]), count, horizon)
        found: dict[str, FloatArray] = {}
        for place, metric in enumerate(METRICS):
            levels = drawn[:, place].ravel()
            table = np.broadcast_to(levels, (rows.size, levels.size)).reshape(rows.size, count, horizon)
            by_day = table.transpose(0, 2, 1).reshape(-1, count)
            flat = quantile(
                by_day,
                mean[metric].ravel(),
                np.repeat(self.dispersion[metric][rows], horizon),
                is_count=metric in COUNTS,
            )
            found[metric] = flat.reshape(rows.size, horizon, count).transpose(0, 2, 1)
        return found

    def _drawn(self, group: int, count: int, horizon: int) -> FloatArray:
        """(count, metrics, horizon) values of whole origins of the backtest of a group."""
        of_group = np.stack([self.values[metric][:, self.sampled == group] for metric in METRICS])
        metrics, origins, nodes, steps = of_group.shape
        known = of_group.transpose(1, 2, 0, 3).reshape(origins * nodes, metrics, steps)
        known = known[np.isfinite(known).all(axis=(1, 2))]
        rng = np.random.default_rng(int(self.seeds[group]))
        known = known[rng.permutation(known.shape[0])[:count]]
        if known.shape[0] < LEAST_PATHS:
            made = _made_up(rng, LEAST_PATHS - known.shape[0], metrics, max(steps, horizon))
            known = np.concatenate([known[:, :, :steps], made[:, :, : max(steps, 1)]])
        repeated = known[np.arange(count) % known.shape[0]]
        return repeated[:, :, np.arange(horizon) % repeated.shape[2]]


def _made_up(rng: np.random.Generator, paths: int, metrics: int, steps: int) -> FloatArray:
    """Uniform values that go with one another from day to day and between metrics."""
    from scipy.special import ndtr  # noqa: PLC0415 - only an account without a backtest needs it

    common = rng.standard_normal((paths, 1, 1))
    daily = rng.standard_normal((paths, 1, steps))
    own = rng.standard_normal((paths, metrics, steps))
    return ndtr(np.sqrt(PERSISTENCE) * common + np.sqrt((1 - PERSISTENCE) / 2) * (daily + own))


def calibrate(
    actual: dict[str, FloatArray],
    mean: dict[str, FloatArray],
    exposure: dict[str, FloatArray],
    group: IntArray,
    seeds: IntArray,
) -> Calibration:
    """From figures and coherent means of a backtest, (origins, nodes, steps) each, by metric.

    `exposure` says which share of the final figure an actual holds (counts thin out). Cells that say nothing
    are NaN in `actual`. `group` (nodes,) is from 0 up; what is learnt of one does not depend on another.
    """
    dispersion: dict[str, FloatArray] = {}
    values: dict[str, FloatArray] = {}
    chosen = _sample(group)
    sampled = group[chosen]
    origins, _, steps = next(iter(actual.values())).shape
    uniform = _uniform((origins, sampled.size, steps), sampled, seeds)

    def learn(metric: str) -> tuple[FloatArray, FloatArray]:
        is_count = metric in COUNTS
        expected = mean[metric] * exposure[metric]
        usable = np.isfinite(actual[metric]) & (expected > 0)
        seen = np.where(usable, np.rint(actual[metric]) if is_count else actual[metric], np.nan)
        spread = _dispersion(seen, expected, group, seeds.size, is_count=is_count)
        return spread, randomised_pit(
            seen[:, chosen],
            expected[:, chosen],
            spread[None, chosen, None],
            is_count=is_count,
            uniform=uniform[metric],
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for metric, learnt in zip(METRICS, pool.map(learn, METRICS), strict=True):
            dispersion[metric], values[metric] = learnt
    return Calibration(dispersion=dispersion, group=group, values=values, sampled=sampled, seeds=seeds)


def _sample(group: IntArray) -> IntArray:
    """Nodes of each group at even distances, at most about `SAMPLE` of a group."""
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    place = np.arange(group.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    apart = np.repeat(-(-sizes // SAMPLE), sizes)
    return np.sort(order[place % np.maximum(apart, 1) == 0])


def _uniform(shape: tuple[int, ...], group: IntArray, seeds: IntArray) -> dict[str, FloatArray]:
    """Seeded random numbers by metric: those of a group do not depend on the other groups."""
    found = {metric: np.empty(shape) for metric in METRICS}
    for place, seed in enumerate(seeds):
        rng = np.random.default_rng(int(seed))
        here = np.flatnonzero(group == place)
        for metric in METRICS:
            found[metric][:, here] = rng.random((shape[0], here.size, shape[2]))
    return found


def _dispersion(
    seen: FloatArray, expected: FloatArray, group: IntArray, groups: int, *, is_count: bool
) -> FloatArray:
    """Moment estimate of k in variance = m + k m^2 (k m^2 for money), shrunk to its group: (nodes,)."""
    usable = np.isfinite(seen)
    missed = np.where(usable, np.nan_to_num(seen) - expected, 0.0)
    squared = np.minimum(missed**2, LARGEST_SURPRISE * np.maximum(expected, 1.0 if is_count else 0.0) ** 2)
    noise = np.where(usable, expected, 0.0) if is_count else 0.0
    size = np.where(usable, expected, 0.0) ** 2
    total = size.sum(axis=(0, 2))
    own = np.divide((squared - noise).sum(axis=(0, 2)), total, out=np.zeros_like(total), where=total > 0)
    own = np.clip(own, 0.0, MOST_DISPERSION)
    cells = usable.sum(axis=(0, 2))
    level = np.divide(
        np.where(usable, expected, 0.0).sum(axis=(0, 2)), cells, out=np.zeros_like(total), where=cells > 0
    )
    # A day with far less than one event says next to nothing of the dispersion.
    weight = usable.any(axis=2).sum(axis=0) * (np.minimum(level, 1.0) if is_count else 1.0)
    pooled = np.bincount(group, own * weight, groups) + DEFAULT_DISPERSION * PRIOR_ORIGINS
    pooled /= np.bincount(group, weight, groups) + PRIOR_ORIGINS
    shrunk = (own * weight + pooled[group] * PRIOR_ORIGINS) / (weight + PRIOR_ORIGINS)
    return np.clip(shrunk, LEAST_DISPERSION, MOST_DISPERSION)
