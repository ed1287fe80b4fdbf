"""The forecast of a whole tree as of one date: candidates, their combination, coherence, width."""

import datetime as dt
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.backtest import BACKTEST_HORIZON, Combination, backtest_origins, combine
from ml_assets.forecasts.calibration import Calibration, calibrate
from ml_assets.forecasts.candidates import FALLBACK, ForecastPolicy, make_methods
from ml_assets.forecasts.frames import METRICS
from ml_assets.forecasts.inputs import ForecastInputs
from ml_assets.forecasts.reconcile import reconcile, shrunk_variances
from ml_assets.forecasts.tree import LEAST_DAYS, OWN_DAYS, ForecastTree, build_tree

SIZE_DAYS = 28
"""Days over which the size of a series is measured."""

TAYLOR = 1.5
"""Variances grow as this power of the mean (Taylor's law), where the errors themselves say little."""


@dataclass(frozen=True)
class TreeForecast:
    """Coherent means of all nodes of a tree, and how wide they are. Rows are those of `tree.batch`."""

    tree: ForecastTree
    horizon: int
    mean: dict[str, FloatArray]
    """Metric -> (nodes, horizon): in money or counts."""
    combination: dict[str, Combination]
    calibration: Calibration
    is_insufficient: np.ndarray
    """(nodes,): fewer than `LEAST_DAYS` days of history."""
    is_borrowed: np.ndarray
    """(nodes,): fewer than `OWN_DAYS`; the shape is the parent's."""
    paths: int

    @cached_property
    def offsets(self) -> IntArray:
        """Row of the first node of each step."""
        return np.concatenate([[0], np.cumsum(self.tree.heights)[:-1]]).astype(np.int64)

    def rows(self, step: int) -> IntArray:
        """Rows of a step."""
        return self.offsets[step] + np.arange(self.tree.heights[step])

    def bounds(self, metric: str, rows: IntArray, levels: Sequence[float]) -> tuple[FloatArray, FloatArray]:
        """See `Calibration.bounds`: of the days' figures of some rows."""
        return self.calibration.bounds(metric, self.mean[metric][rows], levels, rows)

    def inside(self, metric: str, rows: IntArray, bounds: FloatArray, levels: FloatArray) -> FloatArray:
        """See `Calibration.inside`."""
        return self.calibration.inside(metric, self.mean[metric][rows], bounds, levels, rows)

    def sample(self, rows: IntArray) -> dict[str, FloatArray]:
        """Sample paths of nodes of one account and step: metric -> (rows, paths, horizon)."""
        return self.calibration.paths(
            {metric: self.mean[metric][rows] for metric in METRICS}, rows, self.paths
        )


def forecast_tree(
    inputs: ForecastInputs, date: dt.date, horizon: int, policy: ForecastPolicy | None = None
) -> TreeForecast:
    """The forecast of the days after `date`, of every account in `inputs` and everything below it.

    Leads of the last days count by the share of them that is in. Raises UsageError where `policy` names an
    unknown method.
    """
    policy = policy or ForecastPolicy()
    tree = build_tree(inputs, date)
    origins = [*backtest_origins(tree.days, horizon, policy.origins), tree.days]
    group = _groups(tree)
    history = np.concatenate([tree.days - step.first for step in tree.steps])
    # Days before an edit are scaled to what is planned now; a past forecast knew of the edits until then.
    plan = tree.plan[:, -1:] / tree.plan
    then = plan[:, [origin - 1 for origin in origins]].T[:, :, None]
    mean: dict[str, FloatArray] = {}
    tried: dict[str, FloatArray] = {}
    combinations: dict[str, Combination] = {}
    for metric in METRICS:
        batch = tree.batch(metric)
        planned = replace(batch, values=batch.values * plan)
        found = {
            method.name: method.forecast(planned, origins, horizon) / then
            for method in make_methods(policy, share=1.0 / len(METRICS))
        }
        combination = combine(found, batch, origins, group)
        base = combination.forecast
        if not np.isfinite(base).all():
            rest = found.get(FALLBACK.name)
            rest = FALLBACK.forecast(planned, origins, horizon) / then if rest is None else rest
            base = np.where(np.isfinite(base), base, rest)
        base = _borrow(tree, batch.matured(), base, origins)
        coherent = _reconcile(tree, batch.matured(), base, origins)
        mean[metric], tried[metric] = coherent[-1], coherent[:-1, :, : min(horizon, BACKTEST_HORIZON)]
        combinations[metric] = combination
    return TreeForecast(
        tree=tree,
        horizon=horizon,
        mean=mean,
        combination=combinations,
        calibration=_calibrate(tree, tried, origins[:-1], group),
        is_insufficient=history < LEAST_DAYS,
        is_borrowed=(history >= LEAST_DAYS) & (history < OWN_DAYS),
        paths=policy.paths,
    )


def _groups(tree: ForecastTree) -> IntArray:
    """(nodes,): a number for each account and step."""
    return np.concatenate([step.account * len(tree.steps) + index for index, step in enumerate(tree.steps)])


def _borrow(tree: ForecastTree, values: FloatArray, base: FloatArray, origins: Sequence[int]) -> FloatArray:
    """`base` with the parent's shape, scaled, where a node had too few days at an origin; NaN below three.

    The scale is the node's share of its parent over its own days.
    """
    out = tree.split(base.copy(), axis=1)
    figures = tree.split(values)
    for index, step in enumerate(tree.steps):
        for place, origin in enumerate(origins):
            history = origin - step.first
            out[index][place, history < LEAST_DAYS] = np.nan
            if not index:
                continue
            young = np.flatnonzero((history >= LEAST_DAYS) & (history < OWN_DAYS))
            if not young.size:
                continue
            days = slice(max(origin - OWN_DAYS, 0), origin)
            own = figures[index][young, days]
            above = figures[index - 1][step.parent.index[young], days]
            known = np.isfinite(own) & np.isfinite(above)
            total = np.where(known, above, 0.0).sum(axis=1)
            share = np.divide(
                np.where(known, own, 0.0).sum(axis=1), total, out=np.zeros_like(total), where=total > 0
            )
            parents = out[index - 1][place, step.parent.index[young]]
            borrowed = parents * np.minimum(share, 1.0)[:, None]
            out[index][place, young] = np.where(np.isfinite(borrowed), borrowed, out[index][place, young])
    return np.concatenate(out, axis=1)


def _reconcile(
    tree: ForecastTree, values: FloatArray, base: FloatArray, origins: Sequence[int]
) -> FloatArray:
    """Coherent, non-negative forecasts at every origin: (origins, nodes, horizon)."""
    tried = origins[:-1]
    steps = min(base.shape[2], BACKTEST_HORIZON)
    errors = [
        values[:, origin : origin + steps] - base[place, :, :steps] for place, origin in enumerate(tried)
    ]
    recent = values[:, -SIZE_DAYS:]
    known = np.isfinite(recent)
    size = np.where(known, recent, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    structural = np.maximum(size, 1e-3) ** TAYLOR
    missed = np.concatenate(errors, axis=1) if errors else np.full((values.shape[0], 1), np.nan)
    variance = np.empty_like(structural)
    account = np.concatenate([step.account for step in tree.steps])
    for place in range(tree.accounts.height):  # each by what its own errors say
        here = account == place
        variance[here] = shrunk_variances(missed[here], structural[here])
    variances = [part[:, None] for part in tree.split(variance)]
    parents = [step.parent for step in tree.steps]
    out = np.empty_like(base)
    for place, origin in enumerate(origins):
        is_zero = [
            ~step.is_active[:, origin - 1] | (origin - step.first < LEAST_DAYS) & ~step.is_unattributed
            for step in tree.steps
        ]
        found = reconcile(tree.split(base[place]), variances, parents, is_zero)
        out[place] = np.concatenate(found)
    return out


def _calibrate(
    tree: ForecastTree, tried: dict[str, FloatArray], origins: Sequence[int], group: IntArray
) -> Calibration:
    """What the backtest says of nodes that were active and had a history at each origin."""
    steps = next(iter(tried.values())).shape[2]
    account = np.concatenate([step.account for step in tree.steps])
    actual: dict[str, FloatArray] = {}
    exposure: dict[str, FloatArray] = {}
    for metric in METRICS:
        values = np.concatenate([step.values[metric] for step in tree.steps])
        shown = tree.exposure[account] if metric == "leads" else np.ones_like(values)
        came = np.full((len(origins), values.shape[0], steps), np.nan)
        share = np.ones_like(came)
        for place, origin in enumerate(origins):
            came[place] = values[:, origin : origin + steps]
            share[place] = shown[:, origin : origin + steps]
            judged = np.concatenate(
                [
                    step.is_active[:, origin - 1]
                    & (origin - step.first >= LEAST_DAYS)
                    & ~step.is_unattributed
                    for step in tree.steps
                ]
            )
            came[place, ~judged] = np.nan
        actual[metric], exposure[metric] = came, share
    ids = tree.accounts["account_id"].to_list()
    seeds = [zlib.crc32(f"{name}/{step.name}".encode()) for name in ids for step in tree.steps]
    return calibrate(actual, tried, exposure, group, np.array(seeds, dtype=np.int64))
