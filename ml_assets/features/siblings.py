"""How an entity stands among its siblings: the odds of being the best or the worst of them."""

import numpy as np
from scipy.special import gammainc, gammaincinv

from ml_assets.features.grid import FloatArray, Groups

COARSE, FINE = 20, 40
"""Points of the two looks at where the siblings' rates lie, and of the integral; doubling them moves a
probability by less than 0.005 among six siblings, however unlike."""

EVENLY = 0.1
"""Weight of the points that are spread evenly over the logs of the rates."""

_TAIL = 1e-5
_FLOOR = 1e-300


def rank_probabilities(
    shape: FloatArray, rate: FloatArray, eligible: np.ndarray, parent: Groups
) -> tuple[FloatArray, FloatArray]:
    """P(highest rate) and P(lowest rate) among the eligible siblings, each (entities, dates).

    The rates are independent Gamma(shape, rate): P(best i) = integral of f_i times the product of the
    others' distribution functions. Sums to 1 over the eligible of a group; NaN for one that is not eligible
    or has no eligible sibling.
    """
    best = np.full(shape.shape, np.nan)
    worst = np.full(shape.shape, np.nan)
    company = parent.spread(parent.total(eligible.astype(np.float64)))
    chosen = eligible & (company > 1)
    if not chosen.any():
        return best, worst
    entity, date = np.nonzero(chosen)
    group_key = parent.index[entity] * shape.shape[1] + date
    _, group = np.unique(group_key, return_inverse=True)
    groups = int(group.max()) + 1
    a, b = shape[chosen], rate[chosen]
    scores = _integrate(a, b, group, groups, _points(a, b, group, groups))
    for target, score in ((best, scores[0]), (worst, scores[1])):
        total = np.bincount(group, score, groups)
        target[chosen] = score / total[group]
    return best, worst


def _points(a: FloatArray, b: FloatArray, group: np.ndarray, groups: int) -> FloatArray:
    """Rates at which the siblings of each group are compared: (groups, FINE + 1), increasing.

    They span all siblings and stand close where rates lie, however narrow one posterior and however wide
    another one is.
    """
    low = np.full(groups, np.inf)
    high = np.zeros(groups)
    np.minimum.at(low, group, np.log(np.maximum(gammaincinv(a, _TAIL), _FLOOR) / b))
    np.maximum.at(high, group, gammaincinv(a, 1 - _TAIL) / b)
    logs = low[:, None] + (np.log(high) - low)[:, None] * np.linspace(0.0, 1.0, COARSE + 1)
    for points in (COARSE, FINE):
        logs = _closer(a, b, group, logs, points)
    return np.exp(logs)


def _closer(a: FloatArray, b: FloatArray, group: np.ndarray, logs: FloatArray, points: int) -> FloatArray:
    """`points` + 1 logs of rates over the span of `logs`, at even steps of what lies below each.

    That is the probability of the highest rate, of the lowest, of any, and an `EVENLY` spread part.
    """
    groups, nodes = logs.shape
    all_below, none_below, mass = np.zeros_like(logs), np.zeros_like(logs), np.zeros_like(logs)
    for node in range(nodes):
        below = gammainc(a, b * np.exp(logs[group, node]))
        all_below[:, node] = np.bincount(group, np.log(np.maximum(below, _FLOOR)), groups)
        none_below[:, node] = np.bincount(group, np.log(np.maximum(1.0 - below, _FLOOR)), groups)
        mass[:, node] = np.bincount(group, below, groups)
    parts = (np.exp(all_below), 1.0 - np.exp(none_below), mass / mass[:, -1:])
    passed = EVENLY * np.linspace(0.0, 1.0, nodes) + sum(parts) / len(parts)
    passed = (passed - passed[:, :1]) / (passed[:, -1:] - passed[:, :1])
    return _interpolated(passed, logs, np.linspace(0.0, 1.0, points + 1))


def _interpolated(x: FloatArray, y: FloatArray, at: FloatArray) -> FloatArray:
    """Row by row the broken line through (x, y) at the points `at`: (rows, at.size). x increases."""
    last = x.shape[1] - 2
    cell = np.zeros((x.shape[0], at.size), dtype=np.int64)
    for node in range(1, last + 1):
        cell += x[:, node, None] <= at
    left, right = (np.take_along_axis(x, cell + step, axis=1) for step in (0, 1))
    low, high = (np.take_along_axis(y, cell + step, axis=1) for step in (0, 1))
    return low + (high - low) * np.clip((at - left) / (right - left), 0.0, 1.0)


def _integrate(
    a: FloatArray, b: FloatArray, group: np.ndarray, groups: int, points: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Trapezoid sums of dF_i times the product of the others, for the highest and for the lowest."""
    best, worst = np.zeros_like(a), np.zeros_like(a)
    before: tuple[FloatArray, FloatArray, FloatArray] | None = None
    for node in range(points.shape[1]):
        below = gammainc(a, b * points[group, node])
        log_below = np.log(np.maximum(below, _FLOOR))
        log_above = np.log(np.maximum(1.0 - below, _FLOOR))
        others_below = np.exp(np.bincount(group, log_below, groups)[group] - log_below)
        others_above = np.exp(np.bincount(group, log_above, groups)[group] - log_above)
        if before is not None:
            mass = below - before[0]
            best += mass * (others_below + before[1]) / 2
            worst += mass * (others_above + before[2]) / 2
        before = (below, others_below, others_above)
    return best, worst
