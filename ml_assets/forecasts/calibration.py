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

SAMPLE = 2000
"""Forecasts (a node at an origin) of an account and step from which the distributions are judged."""

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
    """Metric -> PIT of the backtest (sample, steps); NaN where nothing was forecast or known."""
    sampled: IntArray
    """(sample,): groups of the forecasts whose values these are."""
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
        steps = np.searchsorted(BUCKETS, np.arange(1, values.shape[1] + 1), side="right") - 1
        prior = (np.arange(PRIOR_VALUES) + 0.5) / PRIOR_VALUES
        out = np.empty((self.seeds.size, len(BUCKETS), len(levels)))
        for group in range(self.seeds.size):  # accounts x 4, whatever the number of nodes
            of_group = values[self.sampled == group]
            last = np.empty(0)
            for bucket in range(len(BUCKETS)):
                found = of_group[:, steps == bucket]
                found = found[np.isfinite(found)]
                last = found if found.size else last  # further ahead than was tried: as the last that was
                ordered = np.sort(np.concatenate([last, prior]))
                place = (np.arange(ordered.size) + 0.5) / ordered.size
                out[group, bucket] = np.interp(levels, place, ordered)
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
        known = np.stack([self.values[metric][self.sampled == group] for metric in METRICS], axis=1)
        _, metrics, steps = known.shape
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
    Sample paths need all METRICS, bounds their own.
    """
    dispersion: dict[str, FloatArray] = {}
    values: dict[str, FloatArray] = {}
    steps = next(iter(actual.values())).shape[2]
    says = np.logical_or.reduce([np.isfinite(figures).any(axis=2) for figures in actual.values()])
    origin, node, uniform = _sample(says, group, seeds, [name for name in actual if name in COUNTS], steps)

    def learn(metric: str) -> tuple[FloatArray, FloatArray]:
        is_count = metric in COUNTS
        expected = mean[metric] * exposure[metric]
        usable = np.isfinite(actual[metric]) & (expected > 0)
        seen = np.where(usable, np.rint(actual[metric]) if is_count else actual[metric], np.nan)
        spread = _dispersion(seen, expected, group, seeds.size, is_count=is_count)
        return spread, randomised_pit(
            seen[origin, node],
            expected[origin, node],
            spread[node, None],
            is_count=is_count,
            uniform=uniform.get(metric, HALF),
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for metric, learnt in zip(actual, pool.map(learn, actual), strict=True):
            dispersion[metric], values[metric] = learnt
    return Calibration(dispersion=dispersion, group=group, values=values, sampled=group[node], seeds=seeds)


def _sample(
    says: np.ndarray, group: IntArray, seeds: IntArray, counts: Sequence[str], steps: int
) -> tuple[IntArray, IntArray, dict[str, FloatArray]]:
    """Forecasts of each group that say something, drawn with its seed: origins and nodes, (sample,) each.

    `says` is (origins, nodes). For each of the metrics `counts` there are random numbers (sample, steps). The
    sample of a group does not depend on other groups.
    """
    node, origin = np.nonzero(says.T)
    order = np.argsort(group[node], kind="stable")
    ends = np.searchsorted(group[node][order], np.arange(seeds.size + 1))
    chosen: list[IntArray] = []
    uniform: dict[str, list[FloatArray]] = {metric: [] for metric in counts}
    for place, seed in enumerate(seeds):
        rng = np.random.default_rng(int(seed))
        here = order[ends[place] : ends[place + 1]]
        chosen.append(here[np.sort(rng.permutation(here.size)[:SAMPLE])])
        for numbers in uniform.values():
            numbers.append(rng.random((chosen[-1].size, steps)))
    at = np.concatenate(chosen)
    return origin[at], node[at], {metric: np.concatenate(numbers) for metric, numbers in uniform.items()}


def _dispersion(
    seen: FloatArray, expected: FloatArray, group: IntArray, groups: int, *, is_count: bool
) -> FloatArray:
    """Moment estimate of k in variance = m + k m^2 (k m^2 for money), shrunk to its group: (nodes,)."""
    usable = np.isfinite(seen)
    missed = np.where(usable, np.nan_to_num(seen) - expected, 0.0)
    most = LARGEST_SURPRISE * np.maximum(np.where(usable, expected, 0.0), 1.0 if is_count else 0.0) ** 2
    squared = np.minimum(missed**2, most)
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
