import math
import re
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.errors import UsageError
from ml_assets.recommendations.policy import DEFAULT_VERSION, SOURCES, Policy, thresholds
from ml_assets_tests.recommendations.policies_made import overrides_made

NAMES = [item.name for item in thresholds()]


def changed(**overrides: Any) -> Policy:
    return Policy().changed(overrides, "test")


@pytest.mark.parametrize("item", thresholds(), ids=lambda item: item.name)
def test_a_threshold_says_what_it_is(item: Any) -> None:
    assert item.metadata["source"] in SOURCES
    assert item.metadata["unit"]
    assert re.match(r"[A-Z]", item.metadata["doc"])
    assert "..." not in item.metadata["doc"]
    assert item.metadata["low"] <= item.default <= item.metadata["high"]


def test_a_meaning_names_only_thresholds_that_exist() -> None:
    guards_and_figures = {
        "recent_edit",
        "campaign_budget_child",
    }
    named = {
        word
        for item in thresholds()
        for word in re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", item.metadata["doc"])
    }
    assert named - guards_and_figures <= set(NAMES)


def test_the_defaults_are_a_policy_with_a_version() -> None:
    assert Policy().version == DEFAULT_VERSION
    with pytest.raises(FrozenInstanceError):
        Policy().pause = 0.5  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "value", [-0.1, 1.1, math.nan, math.inf, -math.inf, "0.9", None, True, [0.9], 10**400]
)
def test_a_value_that_no_probability_has_is_refused_with_its_range(value: Any) -> None:
    with pytest.raises(UsageError, match=r"pause_worst is a number from 0 to 1 \(probability\), not "):
        changed(pause_worst=value)


@pytest.mark.parametrize("value", [6.5, 0, 14, math.nan, math.inf])
def test_days_and_counts_are_whole(value: float) -> None:
    with pytest.raises(UsageError, match=r"case_days is a whole number from 1 to 13 \(days\)"):
        changed(case_days=value)
    assert changed(case_days=6.0) == changed(case_days=6)


def test_a_misspelt_threshold_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no threshold pause_wurst\. Did you mean pause_worst\?"):
        changed(pause_wurst=0.9)
    with pytest.raises(UsageError, match="no threshold version"):
        changed(version="2")
    with pytest.raises(UsageError, match="no threshold changed"):
        changed(changed=1)


@pytest.mark.parametrize(
    ("overrides", "low", "high"),
    [
        ({"withdraw": 0.97}, "withdraw", "budget_increase"),
        ({"reactivate": 0.55}, "withdraw", "reactivate"),
        ({"review": 0.55}, "withdraw", "review"),
        ({"pause_cpl": 1.1}, "budget_decrease_cpl", "pause_cpl"),
        ({"pause_cpl": 2.5}, "pause_cpl", "child_pause_cpl"),
        ({"scale_up_step": 0.3}, "scale_up_step", "step"),
        ({"least_step": 0.15}, "least_step", "increase_step"),
        ({"step_14d": 0.1}, "step", "step_14d"),
        ({"issued_campaign_share": 0.8}, "issued_campaign_share", "issued_adset_share"),
    ],
)
def test_thresholds_that_contradict_each_other_are_refused_by_name(
    overrides: dict[str, float], low: str, high: str
) -> None:
    with pytest.raises(UsageError, match=rf"{low} \(.*\) must not be above {high} \("):
        changed(**overrides)


def test_no_rule_may_cut_what_is_on_target_or_feed_what_is_not() -> None:
    for name in ("budget_decrease_cpl", "pause_cpl", "narrowing_cpl"):
        with pytest.raises(UsageError, match=name):
            changed(**{name: 0.9})
    for name in ("scale_up_cpl", "expansion_cpl"):
        with pytest.raises(UsageError, match=name):
            changed(**{name: 1.1})


def test_two_thresholds_may_move_past_each_other_in_one_change() -> None:
    assert changed(pause_cpl=2.5, child_pause_cpl=3.0).pause_cpl == 2.5


@given(overrides=overrides_made())
def test_a_changed_policy_has_the_new_values_and_keeps_the_others(overrides: dict[str, float]) -> None:
    policy = Policy().changed(overrides, "2")
    assert policy.version == "2"
    for name in NAMES:
        assert getattr(policy, name) == overrides.get(name, getattr(Policy(), name))
    assert Policy().changed(dict(reversed(overrides.items())), "2") == policy
    assert hash(Policy().changed(overrides, "2")) == hash(policy)


@given(name=st.sampled_from(NAMES), value=st.floats() | st.integers() | st.text() | st.booleans() | st.none())
def test_whatever_is_given_is_taken_or_refused_with_a_sentence(name: str, value: Any) -> None:
    refusal = None
    try:
        policy = Policy().changed({name: value}, "2")
    except UsageError as error:
        refusal = str(error)
    else:
        assert math.isfinite(getattr(policy, name))
    assert refusal is None or name in refusal
