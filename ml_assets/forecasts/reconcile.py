"""Forecasts of a tree made to add up: minimum trace under a diagonal error covariance, never negative.

Each node has a forecast of its own with an error variance. The coherent forecasts nearest to them, in squares
divided by the variances, are those of minimum trace for that covariance (MinT: Wickramasuriya, Athanasopoulos
& Hyndman 2019, "Optimal forecast reconciliation for hierarchical and grouped time series through trace
minimization"). On a tree no matrix has to be inverted for it. Upwards a node's own forecast is weighed by
precision against the sum of what its children came to; downwards what a parent came to is given to its
children, and the difference falls on each by its variance. Both take a few sums per step of the tree.

Not negative: in each family the children nearest to what they came to that are not negative and make up their
parent. That is the nearest answer family by family, from the top; the nearest of the whole tree would let a
bound below move the parent as well.

Which variances are used, and how the tree is laid out, is the caller's business; `shrunk_variances` steadies
what few errors say.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml_assets.errors import UsageError
from ml_assets.features.grid import FloatArray, Groups, IntArray

BoolArray = npt.NDArray[np.bool_]

_TINY_SHARE = 1e-12
"""Share of a family's difference that a child without variance bears while others can bear it."""


def reconcile(
    values: Sequence[FloatArray],
    variances: Sequence[FloatArray],
    parents: Sequence[Groups],
    is_zero: Sequence[BoolArray] | None = None,
) -> list[FloatArray]:
    """Coherent, non-negative forecasts, one array per step of the tree from the top down.

    `values[s]` is (nodes of step s, columns); each column (a day, say) is reconciled for itself.
    `variances[s]` is of the same shape or (nodes, 1), not negative, of any unit common to all. `parents[s]`
    says for s >= 1 which row of step s - 1 each node belongs to; `parents[0]` is ignored. A node without
    children, on any step, is a leaf.

    A NaN value or variance is a node without a forecast of its own: its children make it up. Where they
    cannot, it gets what the forecasts beside it leave of their parent, if that is anything; several share it
    by their variances (equally where these are 0 or NaN). Nodes with `is_zero` ((nodes,) or (nodes, columns))
    are 0, and so are all below them and parents of nothing but zeros.

    Parents are the sums of their children in the answer. The input is not changed. UsageError where the steps
    do not fit each other.
    """
    _check(values, variances, parents)
    zero = _zeros(values, parents, is_zero)
    mean, variance, is_known = _upwards(values, variances, parents, zero)
    result = [np.where(zero[0], 0.0, np.maximum(mean[0], 0.0))]
    for step in range(1, len(values)):
        given = np.broadcast_to(variances[step], values[step].shape)
        weight = _weights(
            result[-1], mean[step], variance[step], is_known[step], given, parents[step], zero[step]
        )
        result.append(_nearest(result[-1], mean[step], weight, parents[step], zero[step]))
    for step in range(len(values) - 1, 0, -1):
        sums = parents[step].total(result[step])
        result[step - 1] = np.where(_has_children(parents[step]), sums, result[step - 1])
    return result


def largest_gap(values: Sequence[FloatArray], parents: Sequence[Groups]) -> float:
    """The largest |sum of children - parent| anywhere in the tree, laid out as in `reconcile`."""
    gaps = [0.0]
    for step in range(1, len(values)):
        gap = np.abs(parents[step].total(values[step]) - values[step - 1])
        gaps.append(float(np.where(_has_children(parents[step]), gap, 0.0).max(initial=0.0)))
    return max(gaps)


def shrunk_variances(errors: FloatArray, structural: FloatArray) -> FloatArray:
    """Mean squared error of each node, shrunk towards one proportional to `structural`: (nodes,).

    `errors` is (nodes, observations), NaN where there is none; `structural` is (nodes,), positive: the number
    of leaves below, or the mean size. A node without errors gets the structural variance alone; one whose
    structural size is 0 its own mean squared error, or 0.

    With r_i the mean of e^2 / structural of node i over its n_i errors, and c the median of r, the answer is
    structural_i (l_i c + (1 - l_i) r_i). l_i is the James-Stein intensity of Opgen-Rhein & Strimmer 2007,
    "Accurate ranking of differentially expressed genes by a distribution-free shrinkage approach",
    min(1, sum Var(r_i) / sum (r_i - c)^2), with one sampling variance of a squared error for all nodes: so
    Var(r_i) is larger, and a node shrunk more, the fewer errors it has. With as many errors everywhere it is
    their formula.
    """
    is_sized = structural > 0
    size = np.where(is_sized, structural, 1.0)
    there = np.isfinite(errors)
    count = there.sum(axis=1)
    squared = np.where(there, errors, 0.0) ** 2 / size[:, None]
    observed = squared.sum(axis=1) / np.maximum(count, 1)
    usable = is_sized & (count > 0)
    if not usable.any():
        return np.where(is_sized, structural, observed)
    centre = float(np.median(observed[usable])) or float(observed[usable].mean())
    deviations = np.where(there, squared - observed[:, None], 0.0)
    spread = (deviations**2).sum(axis=1) / np.maximum(count - 1, 1)
    repeated = usable & (count > 1)
    of_one = float(spread[repeated].mean()) if repeated.any() else np.inf
    sampling = of_one / np.maximum(count, 1)
    between = max(float(((observed - centre)[usable] ** 2 - sampling[usable]).mean()), 0.0)
    if not repeated.any() or between == 0.0:
        intensity = np.ones(count.shape)
    else:
        intensity = np.where(count > 0, sampling / (sampling + between), 1.0)
    return np.where(is_sized, size * (intensity * centre + (1.0 - intensity) * observed), observed)


def _check(values: Sequence[FloatArray], variances: Sequence[FloatArray], parents: Sequence[Groups]) -> None:
    if not values or len(variances) != len(values) or len(parents) != len(values):
        raise UsageError("Values, variances and parents hold one array for each step of the tree.")
    for step in range(1, len(values)):
        groups = parents[step]
        if groups.count != values[step - 1].shape[0] or groups.index.size != values[step].shape[0]:
            named, there = (
                (groups.index.size, groups.count),
                (values[step].shape[0], values[step - 1].shape[0]),
            )
            raise UsageError(
                f"Step {step} of the tree has {there[0]} nodes under {there[1]}, but its parents are for "
                f"{named[0]} nodes under {named[1]}; give each node one parent row."
            )


def _has_children(groups: Groups) -> BoolArray:
    return (np.bincount(groups.index, minlength=groups.count) > 0)[:, None]


def _zeros(
    values: Sequence[FloatArray], parents: Sequence[Groups], is_zero: Sequence[BoolArray] | None
) -> list[BoolArray]:
    """Which nodes are 0, (nodes, columns or 1): those named, all below them, parents of nothing else."""
    if is_zero is None:
        return [np.zeros((step.shape[0], 1), dtype=np.bool_) for step in values]
    zero = [np.array(step).reshape(step.shape[0], -1) for step in is_zero]
    for step in range(1, len(zero)):
        zero[step] = zero[step] | parents[step].spread(zero[step - 1])
    for step in range(len(zero) - 1, 0, -1):
        alive = parents[step].total(~zero[step])
        zero[step - 1] = zero[step - 1] | (_has_children(parents[step]) & (alive == 0))
    return zero


def _upwards(
    values: Sequence[FloatArray],
    variances: Sequence[FloatArray],
    parents: Sequence[Groups],
    zero: Sequence[BoolArray],
) -> tuple[list[FloatArray], list[FloatArray], list[BoolArray]]:
    """What each node comes to with all below it: mean, variance, and whether anything says so.

    The mean of one of which nothing is known for sure is the sum of what is known below it.
    """
    steps = len(values)
    mean: list[FloatArray] = [np.empty(0)] * steps
    variance: list[FloatArray] = [np.empty(0)] * steps
    known: list[BoolArray] = [np.empty(0, dtype=np.bool_)] * steps
    for step in range(steps - 1, -1, -1):
        has_own = np.isfinite(values[step]) & np.isfinite(variances[step])
        own = np.where(has_own, values[step], 0.0)
        own_variance = np.where(has_own, variances[step], 0.0)
        if step == steps - 1:
            mean[step], variance[step], known[step] = own, own_variance, has_own | zero[step]
        else:
            groups = parents[step + 1]
            below, below_variance = groups.total(mean[step + 1]), groups.total(variance[step + 1])
            is_told = _has_children(groups) & (groups.total(~known[step + 1]) == 0)
            total = own_variance + below_variance
            # Of two that are both certain neither is nearer to the truth.
            trust = np.divide(below_variance, total, out=np.full(own.shape, 0.5), where=total > 0)
            trust = np.where(is_told, np.where(has_own, trust, 0.0), np.where(has_own, 1.0, 0.0))
            both = np.where(is_told & has_own, trust * own_variance, own_variance)
            mean[step] = own * trust + below * (1.0 - trust)
            variance[step] = np.where(has_own, both, below_variance)
            known[step] = is_told | has_own | zero[step]
        mean[step] = np.where(zero[step], 0.0, mean[step])
        variance[step] = np.where(zero[step], 0.0, variance[step])
    return mean, variance, known


def _weights(
    parent: FloatArray,
    mean: FloatArray,
    variance: FloatArray,
    is_known: BoolArray,
    given: FloatArray,
    groups: Groups,
    zero: BoolArray,
) -> FloatArray:
    """By what the difference between a parent and its children's sum falls on each child: (nodes, columns).

    By variance; but what a parent has left over goes to the children nothing else is known of.
    """
    weight = variance
    if not is_known.all():
        is_left = groups.spread((parent > groups.total(mean)) & (groups.total(~is_known) > 0))
        share = np.where(~is_known & np.isfinite(given), given, 0.0)
        has_share = groups.spread(groups.total(share) > 0)
        share = np.where(is_known, 0.0, np.where(has_share, share, 1.0))
        weight = np.where(is_left, share, variance)
    total = groups.spread(groups.total(weight))
    return np.where(zero, 0.0, np.where(total > 0, np.maximum(weight, _TINY_SHARE * total), 1.0))


def _nearest(
    parent: FloatArray, mean: FloatArray, weight: FloatArray, groups: Groups, zero: BoolArray
) -> FloatArray:
    """The children nearest to `mean`, in squares divided by `weight`, >= 0, that make up `parent`.

    max(0, mean + weight * lift) with one lift a family. Where children fall below 0 they are taken out and
    the lift of the rest is found again, which can only fall: as for the projection on a simplex (Michelot
    1986, "A finite algorithm for finding the projection of a point onto the canonical simplex of R^n").
    """
    total = groups.total(weight)
    lift = np.divide(parent - groups.total(mean), total, out=np.zeros(parent.shape), where=total > 0)
    found = mean + weight * groups.spread(lift)
    found[np.broadcast_to(zero, found.shape)] = 0.0
    is_short = groups.total(found < 0) > 0
    if not is_short.any():
        return found
    number = np.cumsum(is_short).reshape(is_short.shape) - 1
    row, column = np.nonzero(groups.spread(is_short) & ~zero)
    family = number[groups.index[row], column]
    left = parent[is_short]
    found[row, column] = _filled(left, mean[row, column], weight[row, column], family)
    return found


def _filled(left: FloatArray, mean: FloatArray, weight: FloatArray, family: IntArray) -> FloatArray:
    """`_nearest` of cells in families, where some fall below 0: `left` (families,), the rest (cells,)."""
    found = np.zeros(mean.shape)
    cells = np.arange(mean.size)
    while cells.size:
        among = family[cells]
        total = np.bincount(among, weight[cells], left.size)
        gap = left - np.bincount(among, mean[cells], left.size)
        lift = np.divide(gap, total, out=np.zeros(left.shape), where=total > 0)
        tried = mean[cells] + weight[cells] * lift[among]
        falls = tried < 0
        is_open = np.bincount(among, falls, left.size) > 0
        found[cells] = np.where(falls, 0.0, tried)
        cells = cells[~falls & is_open[among]]
    return found
