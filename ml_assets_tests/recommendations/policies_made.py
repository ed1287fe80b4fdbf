"""Overrides of thresholds that a policy can have, for property tests."""

from dataclasses import Field
from typing import Any

from hypothesis import strategies as st

from ml_assets.errors import UsageError
from ml_assets.recommendations.policy import Policy, thresholds


def values_of(item: Field[Any]) -> st.SearchStrategy[float]:
    """Any value in the range of a threshold."""
    low, high = item.metadata["low"], item.metadata["high"]
    if item.metadata["is_whole"]:
        return st.integers(int(low), int(high)).map(float)
    return st.floats(low, high, allow_nan=False)


def _is_valid(overrides: dict[str, float]) -> bool:
    try:
        Policy().changed(overrides, "made")
    except UsageError:
        return False
    return True


def overrides_made() -> st.SearchStrategy[dict[str, float]]:
    """One to four thresholds with values that can stand together over the defaults."""
    chosen = st.lists(st.sampled_from(thresholds()), min_size=1, max_size=4, unique_by=lambda item: item.name)
    return chosen.flatmap(
        lambda items: st.fixed_dictionaries({item.name: values_of(item) for item in items})
    ).filter(_is_valid)
