"""Which rule speaks at which level, at what it comes into force, until when it stays."""

import datetime as dt
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from ml_assets.entities import LEVELS, EntityType
from ml_assets.features.estimates import LevelEstimates
from ml_assets.recommendations.evidence import Evidence
from ml_assets.recommendations.frames import TYPES
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.rules import RULES, rules_of
from ml_assets.recommendations.standing import Judged, Window, judge

CAMPAIGN, ADSET, AD = LEVELS
START = dt.date(2026, 6, 1)

RUNNING: dict[str, Any] = {"is_active": True, "recently": True, "delivered": True, "judged": True}
PAUSED: dict[str, Any] = {"is_paused": True, "is_active": False, "recently": False, "delivered": False}
NUMBERS = (
    "p_cheap", "p_cheap_scale_up", "p_cheap_on_record", "p_falling", "p_dear", "p_dear_on_record",
    "p_dear_decrease", "p_dear_decrease_on_record", "p_dear_pause", "p_dear_pause_on_record", "p_worst",
    "p_best", "p_beats", "p_differs", "p_record", "p_fell", "p_ctr_falling", "p_ctr_above", "p_cvr_low",
    "p_cheap_expansion", "p_dear_narrowing", "expected_leads", "leads", "uplift", "record_leads",
    "paused_days", "fatigue_score", "frequency", "overlap", "share_of_parent_spend", "utilisation",
)  # fmt: skip
FLAGS = ("is_active", "recently", "delivered", "judged", "is_paused", "test_pays")
NOTHING: dict[str, Any] = {
    **dict.fromkeys(NUMBERS),
    **dict.fromkeys(FLAGS, False),
    "fatigue_verdict": None,
}
"""An entity of which nothing is known."""

MET: dict[str, dict[str, Any]] = {
    "hopeless_cpl": RUNNING | {"p_dear_pause": 0.95, "p_dear_pause_on_record": 0.0, "expected_leads": 2.0},
    "worst_of_siblings": RUNNING | {"p_worst": 0.95, "p_dear": 0.90, "expected_leads": 2.0},
    "high_cpl": RUNNING | {"p_dear_decrease": 0.95, "p_dear_decrease_on_record": 0.0},
    "low_cpl": RUNNING | {"p_cheap": 0.975, "p_cheap_scale_up": 0.5},
    "solid_cpl": RUNNING | {"p_cheap": 0.90, "p_falling": 0.79, "p_cheap_on_record": 0.9},
    "good_record": PAUSED | {"p_record": 0.90, "record_leads": 5, "paused_days": 60},
    "lead_rate_fell": RUNNING | {"p_fell": 0.90, "p_ctr_falling": 0.49},
    "audience_overlap": RUNNING | {"overlap": 0.5},
    "cheap_but_small": RUNNING
    | {"p_cheap_expansion": 0.90, "share_of_parent_spend": 0.29, "frequency": 2.5, "utilisation": 1.0},
    "dear_though_clicked": RUNNING | {"p_dear_narrowing": 0.90, "p_ctr_above": 0.5, "p_cvr_low": 0.90},
    "fatigue": RUNNING | {"fatigue_verdict": "FATIGUED", "fatigue_score": 95.0},
    "undecided": RUNNING | {"p_differs": 0.7, "p_beats": 0.3, "test_pays": True, "p_best": 0.3},
    "best_of_siblings": RUNNING | {"p_best": 0.99, "leads": 5, "uplift": 0.10},
}
"""What each rule asks for, just met."""

MISSED: dict[str, list[dict[str, Any]]] = {
    "hopeless_cpl": [{"p_dear_pause": 0.949}, {"expected_leads": 1.99}],
    "worst_of_siblings": [{"p_worst": 0.949}, {"p_dear": 0.899}, {"expected_leads": 1.99}],
    "high_cpl": [{"p_dear_decrease": 0.949}],
    "low_cpl": [{"p_cheap": 0.974}, {"p_cheap_scale_up": 0.499}],
    "solid_cpl": [{"p_cheap": 0.899}, {"p_falling": 0.8}, {"p_cheap_on_record": 0.899}],
    "good_record": [
        {"p_record": 0.899}, {"record_leads": 4}, {"paused_days": 61}, {"is_paused": False},
        {"delivered": True},
    ],
    "lead_rate_fell": [{"p_fell": 0.899}, {"p_ctr_falling": 0.5}, {"p_ctr_falling": None}],
    "audience_overlap": [{"overlap": 0.499}],
    "cheap_but_small": [
        {"p_cheap_expansion": 0.899}, {"share_of_parent_spend": 0.3}, {"frequency": 2.49},
    ],
    "dear_though_clicked": [
        {"p_dear_narrowing": 0.899}, {"p_ctr_above": 0.499}, {"p_cvr_low": 0.899}, {"p_cvr_low": None},
    ],
    "fatigue": [{"fatigue_verdict": "WATCH"}, {"fatigue_verdict": "LIMITED", "frequency": 2.99}],
    "undecided": [{"test_pays": False}, {"p_best": 0.99}, {"p_beats": 0.51}, {"p_beats": 0.04}],
    "best_of_siblings": [{"p_best": 0.989}, {"leads": 4}, {"uplift": 0.099}],
}  # fmt: skip
"""What each rule asks for, but for one thing."""

PROBABILITY = {
    "hopeless_cpl": "p_dear_pause", "worst_of_siblings": "p_worst", "high_cpl": "p_dear_decrease",
    "low_cpl": "p_cheap", "solid_cpl": "p_cheap", "good_record": "p_record", "lead_rate_fell": "p_fell",
    "cheap_but_small": "p_cheap_expansion", "dear_though_clicked": "p_dear_narrowing",
    "best_of_siblings": "p_best",
}  # fmt: skip
"""What decides the rules that are withdrawn below a probability."""

THRESHOLDS = {
    "hopeless_cpl": "pause", "worst_of_siblings": "pause_worst", "high_cpl": "budget_decrease",
    "low_cpl": "scale_up", "solid_cpl": "budget_increase", "good_record": "reactivate",
    "lead_rate_fell": "review", "audience_overlap": "review_overlap", "cheap_but_small": "expansion",
    "dear_though_clicked": "narrowing", "best_of_siblings": "winner",
}  # fmt: skip
OTHER_THRESHOLDS = [
    ("hopeless_cpl", {"pause_expected_leads": 2.1}),
    ("worst_of_siblings", {"pause_worst_above_target": 0.91}),
    ("low_cpl", {"scale_up_below_cpl": 0.51}),
    ("solid_cpl", {"budget_increase_falling": 0.78}),
    ("good_record", {"reactivate_leads": 6.0}),
    ("good_record", {"reactivate_paused_days": 59}),
    ("lead_rate_fell", {"review_ctr_falling": 0.4}),
    ("cheap_but_small", {"expansion_share": 0.2}),
    ("cheap_but_small", {"expansion_frequency": 2.6}),
    ("dear_though_clicked", {"narrowing_ctr": 0.6}),
    ("dear_though_clicked", {"narrowing_cvr": 0.95}),
    ("best_of_siblings", {"winner_leads": 6.0}),
    ("best_of_siblings", {"winner_uplift": 0.2}),
]


def level_of(rule: str) -> EntityType:
    return next(item for item in RULES if item.name == rule).levels[-1]


def judged(rule: str, days: list[dict[str, Any]], policy: Policy | None = None) -> Judged:
    """A rule on one entity, over as many dates as `days` has rows."""
    frame = pl.DataFrame(
        [NOTHING | day for day in days],
        schema_overrides={**dict.fromkeys(NUMBERS, pl.Float64()), "fatigue_verdict": pl.String()},
    )
    dates = tuple(START + dt.timedelta(days=number) for number in range(len(days)))
    evidence = Evidence(cast("LevelEstimates", None), np.array([0]), dates, frame)
    found = judge(evidence, level_of(rule), policy or Policy())
    return next(item for item in found if item.rule.name == rule)


def comes_into_force(rule: str, day: dict[str, Any], policy: Policy | None = None) -> bool:
    return bool(judged(rule, [day], policy).enters[0, 0])


def in_force(rule: str, days: list[dict[str, Any]]) -> list[bool]:
    return judged(rule, days).in_force(Window(0, len(days), (0,)))[0].tolist()


def test_the_types_of_each_level_are_those_of_the_table() -> None:
    everywhere = {"SCALE_UP", "PAUSE", "REACTIVATE"}
    budgets = {"BUDGET_INCREASE", "BUDGET_DECREASE"}
    audience = {"AUDIENCE_REVIEW", "AUDIENCE_EXPANSION", "AUDIENCE_NARROWING"}
    creative = {"CREATIVE_REFRESH", "CREATIVE_TEST", "CREATIVE_WINNER"}
    of_level = {level: {rule.recommendation_type for rule in rules_of(level)} for level in LEVELS}
    assert of_level == {
        CAMPAIGN: everywhere | budgets,
        ADSET: everywhere | budgets | audience,
        AD: everywhere | creative,
    }
    assert set().union(*of_level.values()) == set(TYPES)
    worst = next(rule for rule in RULES if rule.name == "worst_of_siblings")
    assert worst.levels == (ADSET, AD)


@pytest.mark.parametrize("rule", MET)
def test_a_rule_comes_into_force_exactly_at_its_thresholds(rule: str) -> None:
    assert comes_into_force(rule, MET[rule])
    for missed in MISSED[rule]:
        assert not comes_into_force(rule, MET[rule] | missed), missed


def test_every_rule_is_tried() -> None:
    assert set(MET) == set(MISSED) == {rule.name for rule in RULES}


@pytest.mark.parametrize("rule", [rule.name for rule in RULES if not rule.is_of_paused])
def test_a_rule_says_nothing_of_what_does_not_run_or_did_not_deliver(rule: str) -> None:
    for missing in ("is_active", "recently", "delivered"):
        assert not comes_into_force(rule, MET[rule] | {missing: False}), missing


@pytest.mark.parametrize("rule", [rule.name for rule in RULES if rule.least_expected > 0])
def test_a_rule_on_the_cpl_says_nothing_of_what_cannot_be_judged(rule: str) -> None:
    assert not comes_into_force(rule, MET[rule] | {"judged": False})


@pytest.mark.parametrize("rule", PROBABILITY)
def test_a_rule_stays_until_below_its_lower_threshold_and_then_has_to_cross_the_upper_one_again(
    rule: str,
) -> None:
    met = MET[rule]
    name = PROBABILITY[rule]
    days = [met | {name: p} for p in (0.59, met[name], 0.7, 0.60, 0.599, 0.7, met[name] - 0.001, met[name])]
    assert in_force(rule, days) == [False, True, True, True, False, False, False, True]


def test_overlap_stays_until_a_fifth_below_and_a_test_until_it_is_decided() -> None:
    met = MET["audience_overlap"]
    assert in_force("audience_overlap", [met | {"overlap": x} for x in (0.5, 0.41, 0.39, 0.45)]) == [
        True, True, False, False,
    ]  # fmt: skip
    test = MET["undecided"]
    assert in_force("undecided", [test | {"p_beats": x} for x in (0.3, 0.7, 0.06, 0.04, 0.6)]) == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_a_tired_ad_stays_so_until_it_is_only_watched() -> None:
    met = MET["fatigue"]
    limited = met | {"fatigue_verdict": "LIMITED", "fatigue_score": 80.0}
    watched = met | {"fatigue_verdict": "WATCH", "fatigue_score": 60.0}
    assert in_force("fatigue", [met, limited, watched, limited]) == [True, True, False, False]
    assert comes_into_force("fatigue", limited | {"frequency": 3.0})


def test_a_date_without_delivery_brings_nothing_into_force_but_withdraws_nothing_either() -> None:
    met = MET["low_cpl"]
    still = met | {"delivered": False}
    assert in_force("low_cpl", [still, still, met, still, still]) == [False, False, True, True, True]


def test_a_small_adset_with_budget_left_may_grow_whatever_its_frequency() -> None:
    assert comes_into_force(
        "cheap_but_small", MET["cheap_but_small"] | {"frequency": None, "utilisation": 0.89}
    )


@pytest.mark.parametrize(
    ("rule", "stem"), [("hopeless_cpl", "p_dear_pause"), ("high_cpl", "p_dear_decrease")]
)
def test_the_longer_record_decides_only_where_14_days_do_not_object(rule: str, stem: str) -> None:
    surer = MET[rule] | {f"{stem}_on_record": 0.97}
    assert comes_into_force(rule, surer | {stem: 0.60})
    assert not comes_into_force(rule, surer | {stem: 0.599})
    assert judged(rule, [surer | {stem: 0.7}]).probability[0, 0] == 0.97


@pytest.mark.parametrize(("rule", "threshold"), THRESHOLDS.items())
def test_a_higher_threshold_holds_a_rule_back(rule: str, threshold: str) -> None:
    raised = min(getattr(Policy(), threshold) + 0.005, 1.0)
    assert not comes_into_force(rule, MET[rule], Policy().changed({threshold: raised}, "raised"))


@pytest.mark.parametrize(("rule", "overrides"), OTHER_THRESHOLDS)
def test_the_other_thresholds_of_a_rule_move_it_too(rule: str, overrides: dict[str, float]) -> None:
    assert not comes_into_force(rule, MET[rule], Policy().changed(overrides, "moved"))


def test_nothing_known_is_nothing_said() -> None:
    for rule in MET:
        assert not comes_into_force(rule, RUNNING)
        assert not comes_into_force(rule, PAUSED)
