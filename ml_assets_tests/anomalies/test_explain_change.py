"""What explains a change: the laws of shares and sets, and causes planted in made-up leaves."""

from itertools import combinations, product
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.anomalies.explain_change import (
    ExplainLimits,
    explain_change,
    fewest_explaining,
    split_rate_mix,
)
from ml_assets.errors import SchemaError, UsageError

LIMITS = ExplainLimits()
DIMENSIONS = ["age", "placement", "region"]

shares = st.lists(st.floats(-1.0, 2.0, allow_nan=False).map(lambda share: round(share, 3)), max_size=9)
groups = st.lists(shares, max_size=5)
counts = st.integers(0, 1000).map(float)
figures = st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=8)


def flat(families: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Shares and groups of families of children, one after the other."""
    group = [number for number, family in enumerate(families) for _ in family]
    return np.array([share for family in families for share in family]), np.array(group, dtype=np.int64)


def made(factor: dict[tuple[str, ...], float], *, base: float = 40.0, ratio: bool = True) -> pl.DataFrame:
    """Leaves whose value moved by a factor where their values include those of a key."""
    rows = []
    for number, leaf in enumerate(product(["18-24", "25-34", "35-44"], ["feed", "story"], ["n", "s", "w"])):
        exposure = 1000.0 + 37 * number
        moved = np.prod([times for values, times in factor.items() if set(values) <= set(leaf)])
        value = base * exposure / 1000
        rows.append((*leaf, value, value * moved, exposure, exposure))
    columns = [*DIMENSIONS, "value_expected", "value_observed", "exposure_expected", "exposure_observed"]
    leaves = pl.DataFrame(rows, schema=columns, orient="row")
    return leaves if ratio else leaves.drop("exposure_expected", "exposure_observed")


def named(leaves: pl.DataFrame, limits: ExplainLimits | None = None) -> set[frozenset[str]]:
    causes = explain_change(leaves, DIMENSIONS, limits).causes.select(DIMENSIONS)
    return {frozenset(value for value in row if value is not None) for row in causes.rows()}


@given(groups)
def test_the_chosen_nodes_explain_enough_or_are_all_of_their_group(families: list[list[float]]) -> None:
    share, group = flat(families)
    chosen = fewest_explaining(share, group)
    for number in set(group.tolist()):
        of_group = group == number
        explained = share[of_group & chosen]
        if chosen[of_group].all():
            continue
        assert explained.sum() >= LIMITS.enough - 1e-6
        assert explained.min() >= LIMITS.least_share - 1e-6


@given(shares)
def test_no_smaller_set_of_nodes_that_belong_would_do(family: list[float]) -> None:
    share, group = flat([family])
    chosen = fewest_explaining(share, group)
    if chosen.all():
        return
    belong = [one for one in family if one >= LIMITS.least_share]
    smaller = combinations(belong, int(chosen.sum()) - 1)
    assert all(sum(some) < LIMITS.enough for some in smaller)


@given(groups, st.randoms(use_true_random=False))
def test_the_order_of_nodes_and_the_other_groups_do_not_matter(
    families: list[list[float]], random: Random
) -> None:
    share, group = flat(families)
    order = np.array(random.sample(range(share.size), share.size), dtype=np.int64)
    chosen, shuffled = fewest_explaining(share, group), fewest_explaining(share[order], group[order])
    for number, family in enumerate(families):
        one = np.sort(share[chosen & (group == number)])
        assert np.array_equal(one, np.sort(share[order][shuffled & (group[order] == number)]))
        alone = fewest_explaining(np.array(family), np.zeros(len(family), dtype=np.int64))
        assert np.array_equal(chosen[group == number], alone)


def test_two_that_carry_the_change_are_named_and_a_small_one_is_not() -> None:
    chosen = fewest_explaining(np.array([0.05, 0.5, 0.35, 0.1]), np.zeros(4, dtype=np.int64))
    assert chosen.tolist() == [False, True, True, False]


def test_a_change_spread_thin_is_the_whole_groups() -> None:
    assert fewest_explaining(np.full(20, 0.05), np.zeros(20, dtype=np.int64)).all()


def test_a_share_that_is_not_known_leaves_the_whole_group() -> None:
    chosen = fewest_explaining(np.array([0.9, np.nan, 0.9, 0.1]), np.array([0, 0, 1, 1]))
    assert chosen.tolist() == [True, True, True, False]


def test_what_moved_against_the_change_does_not_belong_to_its_cause() -> None:
    chosen = fewest_explaining(np.array([-0.6, 0.9, 0.7]), np.zeros(3, dtype=np.int64))
    assert chosen.tolist() == [False, True, False]


@given(figures)
def test_shares_of_rate_and_mix_sum_to_one(children: list[tuple[float, float, float, float]]) -> None:
    columns = [np.array(column) for column in zip(*children, strict=True)]
    rate, mix = split_rate_mix(*columns, np.zeros(len(children), dtype=np.int64))
    assert np.isfinite(rate).all() == np.isfinite(rate).any()
    if np.isfinite(rate).all():
        size = max(1.0, float(np.abs(rate).max()), float(np.abs(mix).max()))
        assert rate.sum() + mix.sum() == pytest.approx(1.0, abs=1e-6 * size)


def test_children_with_the_same_rates_but_other_weights_are_all_mix() -> None:
    rate, mix = split_rate_mix(
        np.array([10.0, 40.0]), np.array([100.0, 100.0]), np.array([5.0, 60.0]), np.array([50.0, 150.0]),
        np.array([0, 0]),
    )  # fmt: skip
    assert rate == pytest.approx([0.0, 0.0], abs=1e-12)
    assert mix == pytest.approx([0.5, 0.5])


def test_children_with_the_same_weights_are_all_rate_and_groups_are_apart() -> None:
    exposure = np.full(4, 100.0)
    rate, mix = split_rate_mix(
        np.array([10.0, 10.0, 5.0, 5.0]), exposure, np.array([40.0, 20.0, 5.0, 3.0]), exposure,
        np.array([0, 0, 1, 1]),
    )  # fmt: skip
    assert rate == pytest.approx([0.75, 0.25, 0.0, 1.0])
    assert mix == pytest.approx(np.zeros(4))


def test_a_new_child_is_all_rate_and_one_that_stopped_is_all_mix() -> None:
    rate, mix = split_rate_mix(
        np.array([10.0, 30.0, 0.0]), np.array([100.0, 100.0, 0.0]), np.array([10.0, 0.0, 60.0]),
        np.array([100.0, 0.0, 100.0]), np.zeros(3, dtype=np.int64),
    )  # fmt: skip
    assert (rate[1], mix[2]) == (0.0, 0.0)
    assert rate[2] > 0
    assert mix[1] < 0
    assert rate.sum() + mix.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("ratio", [True, False])
@pytest.mark.parametrize("factor", [0.2, 3.0])
@pytest.mark.parametrize(
    "cause", [("story",), ("25-34", "feed"), ("18-24", "story", "w"), ("s",), ("35-44",)]
)
def test_a_planted_cause_is_named_alone(cause: tuple[str, ...], factor: float, ratio: bool) -> None:
    assert named(made({cause: factor}, ratio=ratio)) == {frozenset(cause)}


def test_two_values_of_one_dimension_are_named_together() -> None:
    assert named(made({("18-24",): 4.0, ("25-34",): 3.0})) == {frozenset({"18-24"}), frozenset({"25-34"})}


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_where_all_moved_together_no_narrower_cause_is_named(factor: float) -> None:
    assert named(made({(): factor})) == set()


def test_nothing_is_said_that_only_one_value_could_be() -> None:
    leaves = made({("story",): 3.0}).filter(pl.col("region") == "n")
    assert named(leaves) == {frozenset({"story"})}


def test_shares_are_of_the_rates_part_and_rate_and_mix_make_the_whole() -> None:
    found = explain_change(made({("feed", "n"): 5.0}), DIMENSIONS)
    assert found.causes["share"].to_list() == pytest.approx([1.0], abs=0.05)
    assert found.rate + found.mix == pytest.approx(1.0)
    assert found.rate == pytest.approx(1.0, abs=0.05)


def test_more_exposure_of_a_dear_leaf_is_mix_and_no_cause() -> None:
    leaves = made({}).with_columns(
        pl.col("value_expected", "value_observed")
        * pl.when(pl.col("age") == "18-24").then(4.0).otherwise(1.0)
    )
    times = pl.when(pl.col("age") == "18-24").then(5.0).otherwise(1.0)
    found = explain_change(
        leaves.with_columns(pl.col("value_observed", "exposure_observed") * times), DIMENSIONS
    )
    assert found.mix == pytest.approx(1.0, abs=0.05)


@settings(deadline=None, max_examples=25)
@given(st.randoms(use_true_random=False), st.permutations(DIMENSIONS))
def test_the_order_of_leaves_and_dimensions_does_not_matter(random: Random, dimensions: list[str]) -> None:
    noise = [random.uniform(0.5, 2.0) for _ in range(18)]
    leaves = made({("story", "w"): 3.0}).with_columns(pl.col("value_observed") * pl.Series(noise))
    shuffled = leaves[random.sample(range(leaves.height), leaves.height)]
    one, other = explain_change(leaves, DIMENSIONS), explain_change(shuffled, dimensions)
    assert one.causes.equals(other.causes.select(one.causes.columns))


def test_missing_columns_unknown_values_and_no_dimensions_are_said() -> None:
    leaves = made({})
    with pytest.raises(SchemaError, match="exposure_observed"):
        explain_change(leaves.drop("exposure_observed"), DIMENSIONS)
    with pytest.raises(SchemaError, match="nulls in age"):
        explain_change(leaves.with_columns(age=pl.lit(None, pl.String)), DIMENSIONS)
    with pytest.raises(UsageError, match="at least one"):
        explain_change(leaves, [])
    with pytest.raises(UsageError, match="not zero"):
        explain_change(leaves.with_columns(value_expected=pl.lit(0.0)), DIMENSIONS)
