"""How an entity stands among its siblings: the odds of being the best or the worst of them."""

import numpy as np
from scipy.special import gammainc, gammaincinv

from ml_assets.features.grid import FloatArray, Groups

NODES = 80
"""Points of the integral; halving them moves a probability by less than 0.001."""

_TAIL = 1e-5
_FLOOR = 1e-300


def rank_probabilities(
    shape: FloatArray, rate: FloatArray, eligible: np.ndarray, parent: Groups
) -> tuple[FloatArray, FloatArray]:
    """P(highest rate) and P(lowest rate) among the eligible siblings, each (entities, dates).

    The rates are independent Gamma(shape, rate): P(best i) = integral of f_i times the product of the
    others' distribution functions, on a log-spaced grid that spans the siblings of each group and date.
    Sums to 1 over the eligible of a group; NaN for one that is not eligible or has no eligible sibling.
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
    low = np.full(groups, np.inf)
    high = np.zeros(groups)
    np.minimum.at(low, group, np.log(np.maximum(gammaincinv(a, _TAIL), _FLOOR) / b))
    np.maximum.at(high, group, gammaincinv(a, 1 - _TAIL) / b)
    step = (np.log(high) - low) / NODES
    scores = _integrate(a, b, group, groups, low, step)
    for target, score in ((best, scores[0]), (worst, scores[1])):
        total = np.bincount(group, score, groups)
        target[chosen] = score / total[group]
    return best, worst


def _integrate(
    a: FloatArray, b: FloatArray, group: np.ndarray, groups: int, low: FloatArray, step: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Trapezoid sums of dF_i times the product of the others, for the highest and for the lowest."""
    best, worst = np.zeros_like(a), np.zeros_like(a)
    before: tuple[FloatArray, FloatArray, FloatArray] | None = None
    for node in range(NODES + 1):
        x = np.exp(low + node * step)[group]
        below = gammainc(a, b * x)
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
