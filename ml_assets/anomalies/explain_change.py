"""What explains a change: the fewest children of a node, or the fewest attribute combinations over leaves.

Shares of a change are signed parts of one whole: what moved against it has a negative one. What a change is
measured against (an expectation, an earlier period) is the caller's. Arrays and frames in and out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from ml_assets.errors import SchemaError, UsageError
from ml_assets.features.grid import FloatArray, IntArray

VALUES = ("value_expected", "value_observed")
EXPOSURES = ("exposure_expected", "exposure_observed")
"""Columns of leaves beside their dimensions; exposures for ratios only."""

_CUBOID = "_cuboid"
_ROUNDING = 1e-9
"""By how much sums of shares may miss a limit."""
_LEAST_BASE = 1e-6
"""Least expected value of a part, as a share of the whole: what is new does not surprise without end."""


@dataclass(frozen=True, kw_only=True)
class ExplainLimits:
    """When a set of nodes is a cause."""

    least_share: float = 0.10
    """Share of the change from which a node belongs, and of the fit from which an attribute does."""
    enough: float = 0.75
    """Share of the change that a cause has to explain."""
    most_attributes: int = 3
    """Attributes of a combination; the work grows with the number of ways to choose them."""
    prior_events: float = 1.0
    """Events' worth of trust in the rate of the whole, for the expected rate of a leaf."""


@dataclass(frozen=True)
class Explanation:
    """What a change comes from."""

    causes: pl.DataFrame
    """One row per combination, largest share first: the dimensions (null: any), expected, observed, share.

    `expected` is the value at the exposure observed; `share` is of the rate's part of the change. Empty where
    everything moved together, or nothing did.
    """
    rate: float
    """Share of the change that the leaves' own rates (those expected are shrunk a little to the whole's)
    make; 1 for sums, NaN where nothing changed."""
    mix: float
    """Share that the leaves' weights make; `rate` + `mix` is 1."""


def fewest_explaining(share: FloatArray, group: IntArray, limits: ExplainLimits | None = None) -> np.ndarray:
    """Which nodes of each group make its change: the fewest that explain enough of it, else all of it.

    `share` (nodes,) is a node's signed share of its group's change, `group` (nodes,) its group, from 0. A
    node belongs from `least_share` on. Where such nodes do not reach `enough`, or a share is not a number,
    the change is the whole group's: all True. Of equal shares those that come first are taken.
    """
    limits = limits or ExplainLimits()
    if share.size == 0:
        return np.zeros(0, dtype=bool)
    size = int(group.max()) + 1
    order = np.lexsort((-share, group))
    groups, sorted_share = group[order], share[order]
    first = np.searchsorted(groups, groups)
    belongs = sorted_share >= limits.least_share - _ROUNDING
    # Summed within each group on its own, so that other groups do not touch its rounding.
    place = np.arange(share.size) - first
    before = np.zeros(share.size)
    for at in range(1, int(place[belongs].max(initial=0)) + 1):
        here = np.flatnonzero(belongs & (place == at))
        before[here] = before[here - 1] + sorted_share[here - 1]
    needed = belongs & (before < limits.enough - _ROUNDING)
    reached = np.bincount(groups, np.where(needed, sorted_share, 0.0), size) >= limits.enough - _ROUNDING
    unknown = np.bincount(groups, ~np.isfinite(sorted_share), size) > 0
    mask = np.empty(share.size, dtype=bool)
    mask[order] = np.where((reached & ~unknown)[groups], needed, True)
    return mask


def split_rate_mix(
    value_expected: FloatArray,
    exposure_expected: FloatArray,
    value_observed: FloatArray,
    exposure_observed: FloatArray,
    group: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Shares of the change of each group's ratio value / exposure: (rate, mix) of every child, (children,).

    The ratio R is the exposure-weighted mean of the children's rates r. With weights w before and v after,
    v (r after - r before) is a child's rate part and (v - w) (r before - R before) its mix part; all of them
    sum to the change (Kitagawa 1955, with the weights of after). A child without exposure before counts as
    having had its group's rate, so that it is all rate; one without exposure after is all mix. NaN where a
    group has no exposure on one side or its ratio did not change.
    """
    size = int(group.max(initial=-1)) + 1
    totals = [
        np.bincount(group, column, size)[group]
        for column in (value_expected, exposure_expected, value_observed, exposure_observed)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        whole_before, whole_after = totals[0] / totals[1], totals[2] / totals[3]
        weight_before, weight_after = exposure_expected / totals[1], exposure_observed / totals[3]
        before = np.where(exposure_expected > 0, value_expected / exposure_expected, whole_before)
        after = np.where(exposure_observed > 0, value_observed / exposure_observed, before)
        change = whole_after - whole_before
        rate = weight_after * (after - before)
        mix = (weight_after - weight_before) * (before - whole_before)
        # Over the sum of the parts, which is the change but for rounding.
        parts = np.bincount(group, rate + mix, size)[group]
        still = np.abs(change) <= _ROUNDING * np.abs(whole_before)
        whole = np.where(still, np.nan, parts)
        return rate / whole, mix / whole


def explain_change(
    leaves: pl.DataFrame, dimensions: Sequence[str], limits: ExplainLimits | None = None
) -> Explanation:
    """The smallest set of attribute combinations that explains the change of a sum, or of a ratio of sums.

    `leaves` has one row per combination of all `dimensions` (none of them null), with value_expected and
    value_observed (not negative; 0 where a leaf was not there) and, for a ratio value / exposure, with
    exposure_expected and exposure_observed. The order of rows and of dimensions does not matter.

    For every choice of dimensions the fewest of its combinations that explain enough are taken
    (`fewest_explaining`). Between these sets the likelihood decides: how much better two factors on the
    expected values, one inside the set and one outside, fit than one factor for all (Kulldorff 1997, "A
    spatial scan statistic"). Every attribute said has to better the fit by `least_share`, and the set alone
    has to fit better than all moving together; where none does, no cause is narrower than the whole.

    Raises SchemaError where a column is missing or a dimension is null, UsageError without dimensions.
    """
    limits = limits or ExplainLimits()
    names = sorted(dimensions)
    _check(leaves, names)
    # Sorted before anything is summed: a sum of floats depends on the order of its rows.
    figures = [name for name in (*VALUES, *EXPOSURES) if name in leaves.columns]
    based, rate = _with_base(leaves.select(*names, *figures).sort(*names, *figures), limits)
    elements, attributes = _elements(based, names, limits)
    expected, observed = based["expected"].to_numpy().sum(), based["observed"].to_numpy().sum()
    change = observed - expected
    if abs(change) <= _ROUNDING * max(expected, observed):
        nothing = elements.clear().with_columns(share=pl.lit(None, pl.Float64)).drop(_CUBOID)
        return Explanation(nothing, rate, 1.0 - rate)
    elements = elements.with_columns(share=(pl.col("observed") - pl.col("expected")) / change)
    cuboid = elements[_CUBOID].to_numpy()
    chosen = fewest_explaining(elements["share"].to_numpy(), cuboid, limits)
    best = _best_cuboid(elements, chosen, attributes, limits)
    if best is None:
        return Explanation(elements.clear().drop(_CUBOID), rate, 1.0 - rate)
    causes = elements.filter(pl.Series(chosen & (cuboid == best))).drop(_CUBOID)
    largest_first = causes.sort("share", *names, descending=[True, *[False] * len(names)])
    return Explanation(largest_first, rate, 1.0 - rate)


def _check(leaves: pl.DataFrame, names: list[str]) -> None:
    if not names:
        raise UsageError("A change is explained over dimensions; name at least one.")
    exposures = EXPOSURES if any(name in leaves.columns for name in EXPOSURES) else ()
    missing = [name for name in (*names, *VALUES, *exposures) if name not in leaves.columns]
    if missing:
        raise SchemaError(f"The leaves lack the columns {', '.join(missing)}.")
    unknown = [name for name in names if leaves[name].null_count()]
    if unknown:
        raise SchemaError(f"The leaves have nulls in {', '.join(unknown)}; give them a value of their own.")


def _with_base(leaves: pl.DataFrame, limits: ExplainLimits) -> tuple[pl.DataFrame, float]:
    """Leaves with `expected` (the value at the exposure observed) and `observed`; share of the rate."""
    observed = pl.col("value_observed").cast(pl.Float64).alias("observed")
    if EXPOSURES[0] not in leaves.columns:
        return leaves.with_columns(observed, expected=pl.col("value_expected").cast(pl.Float64)), 1.0
    before, after, exposure_before, exposure_after = (
        leaves[name].cast(pl.Float64).to_numpy() for name in (*VALUES, *EXPOSURES)
    )
    if exposure_before.sum() <= 0 or before.sum() <= 0:
        raise UsageError("A ratio's change is explained against an expectation that is not zero.")
    whole = before.sum() / exposure_before.sum()
    leaf_rate = (before + limits.prior_events) / (exposure_before + limits.prior_events / whole)
    expected = leaf_rate * exposure_after
    # Change of the ratio times the exposure observed, which is the same for the whole and its parts.
    by_rate = after.sum() - expected.sum()
    by_mix = expected.sum() - whole * exposure_after.sum()
    rate = by_rate / (by_rate + by_mix) if by_rate + by_mix else np.nan
    return leaves.with_columns(observed, pl.Series("expected", expected)), float(rate)


def _elements(based: pl.DataFrame, names: list[str], limits: ExplainLimits) -> tuple[pl.DataFrame, IntArray]:
    """Expected and observed of every combination of every choice of dimensions; attributes per choice."""
    choices = [
        choice
        for count in range(1, min(limits.most_attributes, len(names)) + 1)
        for choice in combinations(names, count)
    ]
    frames = [
        based.group_by(choice, maintain_order=True)
        .agg(pl.col("expected", "observed").sum())
        .sort(choice)
        .with_columns(pl.lit(cuboid, pl.Int64).alias(_CUBOID))
        for cuboid, choice in enumerate(choices)
    ]
    order = [_CUBOID, *names, "expected", "observed"]
    together = pl.concat(frames, how="diagonal").select(order)
    return together, np.array([len(choice) for choice in choices], dtype=np.int64)


def _best_cuboid(
    elements: pl.DataFrame, chosen: np.ndarray, attributes: IntArray, limits: ExplainLimits
) -> int | None:
    """The choice of dimensions whose chosen elements fit best for what they say; None where none fits."""
    cuboid = elements[_CUBOID].to_numpy()
    size = attributes.size
    values = {name: elements[name].to_numpy() for name in ("expected", "observed")}
    inside = {name: np.bincount(cuboid, value * chosen, size) for name, value in values.items()}
    whole = {name: float(value[cuboid == 0].sum()) for name, value in values.items()}
    floor = _LEAST_BASE * max(whole.values())
    expected = max(whole["expected"], floor)
    base = np.maximum(inside["expected"], floor)
    rest = np.maximum(whole["expected"] - inside["expected"], floor)
    alone = _divergence(inside["observed"], base)
    together = _divergence(np.full(size, whole["observed"]), np.full(size, expected))
    fit = alone + _divergence(np.maximum(whole["observed"] - inside["observed"], 0.0), rest) - together
    is_up = whole["observed"] > whole["expected"]
    further = inside["observed"] / base - whole["observed"] / expected
    leads = further > 0 if is_up else further < 0
    # Of a choice all of whose elements are chosen nothing narrower is said.
    narrows = np.bincount(cuboid, ~chosen, size) > 0
    said = np.bincount(cuboid, chosen.astype(np.float64), size) * attributes
    price = said * np.log1p(-limits.least_share)
    # The set moved and the rest did not, against: all moved together.
    is_better = alone > together
    candidates = np.flatnonzero(leads & narrows & is_better & (fit > 0))
    if not candidates.size:
        return None
    worth = (np.log(fit[candidates]) + price[candidates]).round(9)
    return int(candidates[np.lexsort((said[candidates], -worth))[0]])


def _divergence(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Log likelihood of Poisson counts at their own rate over that at the expected one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(observed > 0, observed * np.log(observed / expected), 0.0)
    return log - (observed - expected)
