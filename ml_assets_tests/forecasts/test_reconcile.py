"""Laws of reconciliation on made-up trees, and the dense formula it stands for."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from ml_assets.errors import UsageError
from ml_assets.features.grid import Groups
from ml_assets.forecasts.reconcile import largest_gap, reconcile, shrunk_variances

NAN = float("nan")


def groups(index: list[int] | np.ndarray, count: int) -> Groups:
    return Groups(np.asarray(index, dtype=np.int64), count)


class Tree:
    """A random tree of three steps under a few roots; some nodes above the last step have no children."""

    def __init__(self, seed: int, columns: int = 3) -> None:
        self.rng = np.random.default_rng(seed)
        sizes = [int(self.rng.integers(1, 4)), int(self.rng.integers(1, 7)), int(self.rng.integers(1, 15))]
        above = [1, *sizes[:-1]]
        self.parents = [groups(self.rng.integers(0, up, n), up) for n, up in zip(sizes, above, strict=True)]
        self.values = [self.rng.gamma(0.7, 5.0, (n, columns)) * 10.0 ** (2 - s) for s, n in enumerate(sizes)]
        self.variances = [self.rng.gamma(0.5, 1.0, (n, columns)) + 1e-3 for n in sizes]

    def flags(self, share: float) -> list[np.ndarray]:
        return [self.rng.random(len(step)) < share for step in self.values]


seeds = st.integers(0, 10_000)


def leaves_by_nodes(tree: Tree) -> tuple[np.ndarray, list[np.ndarray]]:
    """The summing matrix S (nodes, leaves), and the rows of each step in it."""
    sizes = [len(step) for step in tree.values]
    matrices = [np.empty((0, 0))] * len(sizes)
    is_leaf = [
        np.bincount(tree.parents[s + 1].index, minlength=n) == 0
        if s + 1 < len(sizes)
        else np.ones(n, dtype=bool)
        for s, n in enumerate(sizes)
    ]
    first = np.cumsum([0, *(int(flags.sum()) for flags in is_leaf)])
    for s in range(len(sizes) - 1, -1, -1):
        matrix = np.zeros((sizes[s], first[-1]))
        if s + 1 < len(sizes):
            matrix += tree.parents[s + 1].total(matrices[s + 1])
        matrix[np.flatnonzero(is_leaf[s]), np.arange(first[s], first[s + 1])] = 1.0
        matrices[s] = matrix
    ends = np.cumsum([0, *sizes])
    return np.concatenate(matrices), [np.arange(a, b) for a, b in pairwise(ends)]


@given(seeds, st.floats(0.0, 0.6), st.floats(0.0, 0.6))
@settings(max_examples=150, deadline=None)
def test_forecasts_add_up_and_are_never_negative(seed: int, zeros: float, unknown: float) -> None:
    tree = Tree(seed)
    is_zero = tree.flags(zeros)
    for step in tree.values:
        step[tree.rng.random(step.shape) < unknown] = NAN
    before = [step.copy() for step in tree.values]
    found = reconcile(tree.values, tree.variances, tree.parents, is_zero)
    assert largest_gap(found, tree.parents) <= 1e-6
    for step, flags, kept, given_ in zip(found, is_zero, before, tree.values, strict=True):
        assert np.isfinite(step).all()
        assert (step >= 0.0).all()
        assert (step[flags] == 0.0).all()
        np.testing.assert_array_equal(kept, given_)


@given(seeds)
@settings(max_examples=150, deadline=None)
def test_it_is_the_dense_formula_where_no_bound_is_reached(seed: int) -> None:
    tree = Tree(seed, columns=1)
    # Far from zero, so that no bound binds.
    matrix, rows = leaves_by_nodes(tree)
    forecast = matrix @ np.full(matrix.shape[1], 1000.0)
    forecast += tree.rng.normal(0.0, 10.0, forecast.shape)
    values = [forecast[of_step][:, None] for of_step in rows]
    weight = 1.0 / np.concatenate(tree.variances)[:, 0]
    weighted = matrix.T * weight
    dense = matrix @ np.linalg.solve(weighted @ matrix, weighted @ forecast)
    found = reconcile(values, tree.variances, tree.parents)
    np.testing.assert_allclose(np.concatenate(found)[:, 0], dense, rtol=1e-7)


@given(seeds)
@settings(max_examples=80, deadline=None)
def test_coherent_forecasts_stay_as_they_are(seed: int) -> None:
    tree = Tree(seed)
    matrix, rows = leaves_by_nodes(tree)
    forecast = matrix @ tree.rng.gamma(0.5, 10.0, (matrix.shape[1], 3))
    values = [forecast[of_step] for of_step in rows]
    found = reconcile(values, tree.variances, tree.parents)
    for step, given_ in zip(found, values, strict=True):
        np.testing.assert_allclose(step, given_, rtol=1e-9, atol=1e-9)


@given(seeds)
@settings(max_examples=80, deadline=None)
def test_the_order_of_nodes_does_not_matter(seed: int) -> None:
    tree = Tree(seed)
    is_zero = tree.flags(0.2)
    orders = [tree.rng.permutation(len(step)) for step in tree.values]
    places = [np.argsort(order) for order in orders]
    moved = [tree.parents[0].index[orders[0]]]
    moved += [places[s - 1][tree.parents[s].index[orders[s]]] for s in range(1, len(orders))]
    found = reconcile(tree.values, tree.variances, tree.parents, is_zero)
    shuffled = reconcile(
        [step[order] for step, order in zip(tree.values, orders, strict=True)],
        [step[order] for step, order in zip(tree.variances, orders, strict=True)],
        [groups(index, parents.count) for index, parents in zip(moved, tree.parents, strict=True)],
        [flags[order] for flags, order in zip(is_zero, orders, strict=True)],
    )
    for step, other, order in zip(found, shuffled, orders, strict=True):
        np.testing.assert_allclose(other, step[order], rtol=1e-9, atol=1e-9)


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_a_family_at_its_bounds_is_the_nearest_one_that_is_not_negative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    own, variance = rng.gamma(0.5, 2.0, (6, 1)), rng.gamma(0.5, 2.0, (6, 1)) + 0.05
    total = 0.3 * own.sum()
    parents = [groups([0], 1), groups([0] * 6, 1)]
    # The parent is certain, so that only the children have to give way.
    found = reconcile([np.array([[total]]), own], [np.zeros((1, 1)), variance], parents)[1][:, 0]
    nearest = minimize(
        lambda y: float((((y - own[:, 0]) ** 2) / variance[:, 0]).sum()),
        np.full(6, total / 6),
        bounds=[(0.0, None)] * 6,
        constraints={"type": "eq", "fun": lambda y: y.sum() - total},
        options={"maxiter": 500, "ftol": 1e-12},
    )
    np.testing.assert_allclose(found, nearest.x, atol=2e-3 * max(total, 1.0))


def test_what_a_parent_has_left_goes_to_the_children_nothing_is_known_of() -> None:
    parents = [groups([0], 1), groups([0, 0, 0], 1)]
    values = [np.array([[100.0, 20.0]]), np.array([[30.0, 30.0], [NAN, NAN], [NAN, NAN]])]
    variances = [np.array([[1.0]]), np.array([[5.0], [1.0], [3.0]])]
    found = reconcile(values, variances, parents)
    np.testing.assert_allclose(found[1][:, 0], [30.0, 17.5, 52.5])
    np.testing.assert_allclose(found[1][:, 1], [20.0, 0.0, 0.0], atol=1e-9)
    no_variances = [np.array([[1.0]]), np.array([[5.0], [NAN], [NAN]])]
    np.testing.assert_allclose(reconcile(values, no_variances, parents)[1][:, 0], [30.0, 35.0, 35.0])


def test_a_parent_without_a_forecast_is_the_sum_of_its_children() -> None:
    parents = [groups([0], 1), groups([0, 0], 1)]
    values = [np.array([[NAN]]), np.array([[3.0], [4.0]])]
    found = reconcile(values, [np.ones((1, 1)), np.ones((2, 1))], parents)
    np.testing.assert_allclose(found[0], [[7.0]])
    np.testing.assert_allclose(found[1], [[3.0], [4.0]])


def test_a_parent_of_nothing_but_zeros_is_zero_and_its_siblings_deliver_the_rest() -> None:
    parents = [groups([0], 1), groups([0, 0], 1), groups([0, 0, 1], 2)]
    values = [np.array([[10.0]]), np.array([[6.0], [4.0]]), np.array([[3.0], [3.0], [5.0]])]
    variances = [np.ones((len(step), 1)) for step in values]
    is_zero = [np.zeros(1, bool), np.zeros(2, bool), np.array([True, True, False])]
    found = reconcile(values, variances, parents, is_zero)
    np.testing.assert_array_equal(found[1][0], 0.0)
    np.testing.assert_array_equal(found[2][:2], 0.0)
    assert 4.0 < found[0][0, 0] < 10.0
    assert found[0][0, 0] == found[2][2, 0]
    all_below = reconcile(
        values, variances, parents, [np.zeros(1, bool), np.array([True, False]), np.zeros(3, bool)]
    )
    np.testing.assert_allclose(np.concatenate(all_below), np.concatenate(found))


def test_zeros_may_differ_by_column() -> None:
    parents = [groups([0], 1), groups([0, 0], 1)]
    values = [np.full((1, 2), 10.0), np.full((2, 2), 5.0)]
    is_zero = [np.zeros((1, 2), bool), np.array([[True, False], [False, False]])]
    found = reconcile(values, [np.zeros((1, 1)), np.ones((2, 1))], parents, is_zero)
    np.testing.assert_allclose(found[1], [[0.0, 5.0], [10.0, 5.0]])


def test_negative_forecasts_are_lifted_to_zero() -> None:
    parents = [groups([0], 1), groups([0, 0], 1)]
    values = [np.array([[-5.0, 1.0]]), np.array([[-3.0, -3.0], [1.0, 2.0]])]
    found = reconcile(values, [np.ones((1, 1)), np.ones((2, 1))], parents)
    assert all((step >= 0).all() for step in found)
    assert largest_gap(found, parents) <= 1e-6


def test_steps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="one parent row"):
        reconcile([np.ones((1, 1)), np.ones((2, 1))], [np.ones((1, 1))] * 2, [groups([0], 1), groups([0], 1)])


def test_the_gap_is_seen_where_children_do_not_make_up_their_parent() -> None:
    parents = [groups([0, 0], 1), groups([0, 0], 2)]
    assert largest_gap([np.array([[3.0], [9.0]]), np.array([[1.0], [4.5]])], parents) == pytest.approx(2.5)


def test_few_errors_say_less_than_many() -> None:
    rng = np.random.default_rng(5)
    truth = np.repeat([1.0, 9.0], 200)
    errors = rng.normal(0.0, np.sqrt(truth)[:, None], (400, 60))
    errors[::2, 4:] = NAN
    found = shrunk_variances(errors, np.ones(400))
    raw = np.nanmean(errors**2, axis=1)
    toward = np.median(raw)
    kept = np.abs(found - toward) / np.abs(raw - toward)
    assert np.median(kept[::2]) < 0.75 < np.median(kept[1::2])
    assert np.abs(found - truth)[::2].mean() < np.abs(raw - truth)[::2].mean()


def test_nodes_alike_but_for_size_share_one_relative_variance() -> None:
    rng = np.random.default_rng(6)
    size = rng.uniform(1.0, 100.0, 300)
    errors = rng.normal(0.0, np.sqrt(3.0 * size)[:, None], (300, 8))
    found = shrunk_variances(errors, size)
    assert np.abs(found / size - 3.0).max() < 1.5
    assert np.abs((errors**2).mean(axis=1) / size - 3.0).max() > 3.0


def test_nodes_without_errors_get_the_structural_variance() -> None:
    errors = np.array([[1.0, -1.0, 1.0], [2.0, 2.0, -2.0], [NAN, NAN, NAN], [1.0, NAN, NAN]])
    found = shrunk_variances(errors, np.array([1.0, 4.0, 10.0, 0.0]))
    np.testing.assert_allclose(found, [1.0, 4.0, 10.0, 1.0])
    np.testing.assert_array_equal(shrunk_variances(np.full((2, 3), NAN), np.array([2.0, 0.0])), [2.0, 0.0])
    one_each = shrunk_variances(np.array([[1.0, NAN], [3.0, NAN]]), np.ones(2))
    np.testing.assert_allclose(one_each, 5.0)
