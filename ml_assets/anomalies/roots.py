"""Where in the tree a change comes from: the fewest nodes that explain it.

From the highest entity that moved the search goes down as long as one child explains the change better than
all children moving together do. Whole steps of the tree are searched at once.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.anomalies.gates import Gated
from ml_assets.anomalies.likelihood import NOTHING, Tested
from ml_assets.anomalies.panel import Panel
from ml_assets.features.grid import FloatArray, IntArray

UNLIKE = 0.15
"""Deviation of the log by which children of one cause may differ from each other."""

LEAST_CAMPAIGNS = 3
"""Campaigns that move together before a change is the whole account's."""

TOGETHER = 4.0
"""Mean squared deviation from moving together, up to which an account does."""

MOVERS = 0.75
"""Share of what is expected that moves, of an account that moves as a whole."""

CARRIES = 0.6
"""Share of the change of a node that a single child has to carry to be the cause."""

MOST_ERROR = 400.0
"""No single child outweighs all others, however sure its figures are."""

_NOBODY = -1


@dataclass(frozen=True)
class Roots:
    """Causes found in one metric on one day: arrays (causes,)."""

    metric: str
    sign: IntArray
    step: IntArray
    """0 the account, 1 campaigns, 2 adsets, 3 ads."""
    row: IntArray


def find_roots(panel: Panel, metric: str, tests: list[Tested], gated: list[Gated]) -> Roots:
    """The roots of what passed the gates in one metric."""
    found: list[tuple[int, int, IntArray]] = []
    for sign in (-1, 1):
        moved = [gate.sign == sign for gate in gated]
        if not any(flags.any() for flags in moved):
            continue
        # What lies below a root, or between it and the highest entity that moved, is explained by it.
        explained = [np.zeros(step.height, dtype=bool) for step in panel.steps]
        below = [np.zeros(step.height, dtype=bool) for step in panel.steps]
        for index, step in enumerate(panel.steps):
            if index:
                below[index] |= below[index - 1][step.parent.index]
            tops = np.flatnonzero(moved[index] & ~explained[index] & ~below[index])
            for at, rows in _descend(panel, tests, index, tops, explained):
                roots = rows[_whole_account(panel, tests, rows, sign)] if at == 0 else rows
                below[at][roots] = True
                found.append((sign, at, roots))
    if not found:
        nothing = np.zeros(0, dtype=np.int64)
        return Roots(metric, nothing, nothing, nothing)
    return Roots(
        metric,
        sign=np.concatenate([np.full(rows.size, sign) for sign, _, rows in found]),
        step=np.concatenate([np.full(rows.size, at) for _, at, rows in found]),
        row=np.concatenate([rows for _, _, rows in found]),
    )


def _descend(
    panel: Panel, tests: list[Tested], index: int, tops: IntArray, explained: list[np.ndarray]
) -> list[tuple[int, IntArray]]:
    """(step, rows) of the nodes at which the search from `tops` ends; the nodes passed are `explained`.

    It goes on through an only child, which stands for its parent where none below it is better.
    """
    ends: list[tuple[int, IntArray]] = []
    nodes = tops
    names, named = np.full(tops.size, index), tops
    while nodes.size and index + 1 < len(panel.steps):
        child, is_only = _better_child(panel, tests, index, nodes)
        on = child != _NOBODY
        ends += _by_step(names[~on], named[~on])
        explained[index][nodes[on]] = True
        nodes, index = child[on], index + 1
        names = np.where(is_only[on], names[on], index)
        named = np.where(is_only[on], named[on], nodes)
    return ends + _by_step(names, named)


def _by_step(steps: IntArray, rows: IntArray) -> list[tuple[int, IntArray]]:
    return [(int(step), rows[steps == step]) for step in np.unique(steps)]


def log_errors(tested: Tested) -> tuple[FloatArray, FloatArray]:
    """Log of observed over expected, and its deviation, for money and counts alike: (entities,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.maximum(np.log(tested.observed / tested.expected), NOTHING)
        spread = tested.deviation / tested.expected
    return np.where(tested.is_tested, error, 0.0), np.where(tested.is_tested, spread, np.inf)


def _better_child(
    panel: Panel, tests: list[Tested], index: int, nodes: IntArray
) -> tuple[IntArray, np.ndarray]:
    """The child of each node to go on with, or `_NOBODY`, and whether it is an only one: (nodes,) each.

    It is the one that explains the node's change better than all moving together, or below campaigns the only
    one that is tested.

    Two accounts of the change are weighed by their squared standardised errors: every child moved as the
    node did, or one child moved as it did and the others not at all.
    """
    step, parent = panel.steps[index + 1], tests[index]
    place = np.full(panel.steps[index].height, _NOBODY)
    place[nodes] = np.arange(nodes.size)
    rows = np.flatnonzero((place[step.parent.index] != _NOBODY) & tests[index + 1].is_tested)
    group = place[step.parent.index[rows]]
    ratio = _bounded_ratio(parent)[nodes][group]
    still = _errors_if(tests[index + 1], rows, np.ones(rows.size))
    together = _errors_if(tests[index + 1], rows, ratio)
    children = np.bincount(group, minlength=nodes.size)
    order = np.lexsort((still, group))
    last = np.cumsum(children) - 1
    has = children > 0
    best = np.full(nodes.size, _NOBODY)
    best[has] = order[last[has]]  # the child that moved most surely
    alone = np.bincount(group, still, nodes.size).astype(np.float64)
    alone[has] -= still[best[has]]
    cost = np.bincount(group, together, nodes.size)
    penalty = 2.0 * np.log(np.maximum(children, 1))
    # Of a change that one child does not carry, the node itself is the cause.
    carries = np.zeros(nodes.size)
    child_test = tests[index + 1]
    change = child_test.observed[rows] - child_test.expected[rows]
    whole = parent.observed[nodes] - parent.expected[nodes]
    carries[has] = change[best[has]] / np.where(whole[has] == 0, np.nan, whole[has])
    is_only = (children == 1) & (index > 0)
    is_better = (children > 1) & (alone + penalty < cost)
    descend = has & (is_better | is_only) & (np.nan_to_num(carries) >= CARRIES)
    return np.where(descend, rows[np.maximum(best, 0)] if rows.size else _NOBODY, _NOBODY), is_only


def _bounded_ratio(tested: Tested) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(np.nan_to_num(tested.observed / tested.expected, nan=1.0), np.exp(NOTHING), 100.0)


def _errors_if(tested: Tested, rows: IntArray, ratio: FloatArray) -> FloatArray:
    """Squared standardised errors if the figures were `ratio` times what was expected."""
    expected, observed = tested.expected[rows], tested.observed[rows]
    if tested.is_log:
        with np.errstate(divide="ignore"):
            error = np.maximum(np.log(observed / expected), NOTHING) - np.log(ratio)
        spread = tested.deviation[rows] / expected
        square = error**2 / (spread**2 + UNLIKE**2)
    else:
        mean = ratio * expected
        dispersion = tested.deviation[rows] ** 2 / np.maximum(expected, 1e-9)
        square = (observed - mean) ** 2 / (np.maximum(mean, 0.25) * dispersion + (UNLIKE * mean) ** 2)
    return np.minimum(square, MOST_ERROR)


def _whole_account(panel: Panel, tests: list[Tested], accounts: IntArray, sign: int) -> np.ndarray:
    """Which accounts move as a whole: campaigns enough, and together."""
    campaigns, tested = panel.steps[1], tests[1]
    wanted = np.zeros(panel.accounts.height, dtype=bool)
    wanted[accounts] = True
    rows = np.flatnonzero(wanted[campaigns.account] & tested.is_tested)
    account = campaigns.account[rows]
    ratio = _bounded_ratio(tests[0])
    together = _errors_if(tested, rows, ratio[account])
    size = panel.accounts.height
    count = np.bincount(account, minlength=size)
    mean = np.bincount(account, together, size) / np.maximum(count, 1)
    error = np.log(_bounded_ratio(tested)[rows])
    moves = sign * error >= 0.5 * np.abs(np.log(ratio[account]))
    mass = np.bincount(account, tested.expected[rows], size)
    share = np.bincount(account, tested.expected[rows] * moves, size) / np.maximum(mass, 1e-9)
    return ((count >= LEAST_CAMPAIGNS) & (mean <= TOGETHER) & (share >= MOVERS))[accounts]
