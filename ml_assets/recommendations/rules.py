"""The rules: each a small function of the policy that says, over a frame of evidence, when it is in force.

A rule comes into force when its probability passes `enters_at` and its other conditions hold, and stays until
the probability falls below `withdraws_below` or `stays` ends. Which columns there are is said in `evidence`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.recommendations.policy import Policy

_ADSET = (EntityType.ADSET,)
_AD = (EntityType.AD,)
_BELOW_CAMPAIGN = (EntityType.ADSET, EntityType.AD)
_WITH_BUDGET = (EntityType.CAMPAIGN, EntityType.ADSET)

TIRED = ("LIMITED", "FATIGUED")
LIMITED = 0.75
"""Fatigue score, as a fraction, from which an ad is LIMITED; below it the verdict is WATCH."""

DECIDED = 0.05
"""P(beats its rival) below which an ad under test has lost."""


@dataclass(frozen=True)
class Condition:
    """Something that has to hold beside the probability when a rule comes into force."""

    name: str
    holds: pl.Expr


@dataclass(frozen=True)
class Verdict:
    """When a rule comes into force and when it is withdrawn, as expressions over a frame of evidence."""

    probability: pl.Expr
    enters_at: float
    withdraws_below: float
    conditions: tuple[Condition, ...] = ()
    stays: pl.Expr | None = None
    """What must go on holding, beside the probability; None: nothing else."""


@dataclass(frozen=True)
class Rule:
    """A rule, the type it issues, the levels it is asked at and the least evidence it takes."""

    name: str
    recommendation_type: str
    levels: tuple[EntityType, ...]
    judge: Callable[[Policy], Verdict]
    least_expected: float = 2.0
    """Expected leads e under which the rule says nothing; the guard `learning` asks for twice as many."""
    is_of_paused: bool = False
    """Asked of entities that stand still, not of those that run."""


def accumulated(name: str, policy: Policy) -> pl.Expr:
    """The probability on 14 days, or on the longer record where that is surer and the 14 days do not object.

    What 14 days cannot decide is decided by what accumulates, not by a lower threshold.
    """
    now, on_record = pl.col(name), pl.col(f"{name}_on_record")
    return pl.when(now >= policy.withdraw).then(pl.max_horizontal(now, on_record)).otherwise(now)


def low_cpl(policy: Policy) -> Verdict:
    """SCALE_UP: surely below the target, and likely well below."""
    well_below = Condition(
        "likely_well_below_target", pl.col("p_cheap_scale_up") >= policy.scale_up_below_cpl
    )
    return Verdict(pl.col("p_cheap"), policy.scale_up, policy.withdraw, (well_below,))


def solid_cpl(policy: Policy) -> Verdict:
    """BUDGET_INCREASE: likely below the target, leads not falling; not where SCALE_UP is in force."""
    steady = Condition(
        "leads_not_falling", pl.col("p_falling").fill_null(0.5) < policy.budget_increase_falling
    )
    agrees = Condition("longer_record_agrees", pl.col("p_cheap_on_record") >= policy.budget_increase)
    return Verdict(pl.col("p_cheap"), policy.budget_increase, policy.withdraw, (steady, agrees))


def high_cpl(policy: Policy) -> Verdict:
    """BUDGET_DECREASE: surely well above the target; not where PAUSE is in force."""
    return Verdict(accumulated("p_dear_decrease", policy), policy.budget_decrease, policy.withdraw)


def hopeless_cpl(policy: Policy) -> Verdict:
    """PAUSE: surely half above the target, or no leads where some were due."""
    enough = Condition("enough_expected_leads", pl.col("expected_leads") >= policy.pause_expected_leads)
    return Verdict(accumulated("p_dear_pause", policy), policy.pause, policy.withdraw, (enough,))


def worst_of_siblings(policy: Policy) -> Verdict:
    """PAUSE: surely the worst of its siblings, and likely above the target."""
    dear = Condition("likely_above_target", pl.col("p_dear") >= policy.pause_worst_above_target)
    enough = Condition("enough_expected_leads", pl.col("expected_leads") >= policy.pause_expected_leads)
    return Verdict(pl.col("p_worst"), policy.pause_worst, policy.withdraw, (dear, enough))


def best_of_siblings(policy: Policy) -> Verdict:
    """CREATIVE_WINNER: surely the best of its siblings, by a margin, on leads enough."""
    enough = Condition("enough_leads", pl.col("leads") >= policy.winner_leads)
    margin = Condition("margin_over_siblings", pl.col("uplift") >= policy.winner_uplift)
    return Verdict(pl.col("p_best"), policy.winner, policy.withdraw, (enough, margin))


def good_record(policy: Policy) -> Verdict:
    """REACTIVATE: paused not long ago with a record below the target."""
    enough = Condition("enough_leads", pl.col("record_leads") >= policy.reactivate_leads)
    lately = Condition("paused_lately", pl.col("paused_days") <= policy.reactivate_paused_days)
    return Verdict(
        pl.col("p_record"),
        policy.reactivate,
        policy.withdraw,
        (enough, lately),
        stays=pl.col("paused_days") <= policy.reactivate_paused_days,
    )


def fatigue(policy: Policy) -> Verdict:
    """CREATIVE_REFRESH: FATIGUED, or LIMITED and shown often; until the verdict is WATCH."""
    tired = pl.col("fatigue_verdict") == "FATIGUED"
    often = (pl.col("fatigue_verdict") == "LIMITED") & (pl.col("frequency") >= policy.refresh_frequency)
    return Verdict(
        pl.col("fatigue_score") / 100.0,
        LIMITED,
        LIMITED,
        (Condition("tired_or_shown_often", tired | often),),
        stays=pl.col("fatigue_verdict").is_in(TIRED),
    )


def lead_rate_fell(policy: Policy) -> Verdict:
    """AUDIENCE_REVIEW: fewer leads for the money while people click as before."""
    clicked = Condition("click_rate_steady", pl.col("p_ctr_falling") < policy.review_ctr_falling)
    return Verdict(pl.col("p_fell"), policy.review, policy.withdraw, (clicked,))


def audience_overlap(policy: Policy) -> Verdict:
    """AUDIENCE_REVIEW: it bids for the people of a sibling; the score stands in for a probability."""
    return Verdict(pl.col("overlap"), policy.review_overlap, 0.8 * policy.review_overlap)


def cheap_but_small(policy: Policy) -> Verdict:
    """AUDIENCE_EXPANSION: cheap, but with little of the money, and its audience or budget is no limit yet."""
    small = Condition("small_share_of_spend", pl.col("share_of_parent_spend") < policy.expansion_share)
    room = Condition(
        "audience_used_up_or_budget_left",
        (pl.col("frequency") >= policy.expansion_frequency)
        | (pl.col("utilisation") < policy.expansion_utilisation),
    )
    return Verdict(pl.col("p_cheap_expansion"), policy.expansion, policy.withdraw, (small, room))


def dear_though_clicked(policy: Policy) -> Verdict:
    """AUDIENCE_NARROWING: people click at least as much as elsewhere in the campaign but do not convert."""
    clicked = Condition("clicked_like_parent", pl.col("p_ctr_above") >= policy.narrowing_ctr)
    idle = Condition("converts_less_than_parent", pl.col("p_cvr_low") >= policy.narrowing_cvr)
    return Verdict(pl.col("p_dear_narrowing"), policy.narrowing, policy.withdraw, (clicked, idle))


def undecided(policy: Policy) -> Verdict:
    """CREATIVE_TEST: two ads that likely differ, and knowing which is better pays; until it is decided."""
    challenger = Condition("behind_its_rival", pl.col("p_beats").is_between(DECIDED, 0.5))
    pays = Condition("knowing_pays", pl.col("test_pays"))
    open_still = Condition("no_winner_yet", pl.col("p_best").fill_null(0.0) < policy.winner)
    return Verdict(
        pl.col("p_differs"),
        0.5,
        0.0,
        (challenger, pays, open_still),
        stays=pl.col("p_beats").is_between(DECIDED, policy.winner),
    )


RULES: tuple[Rule, ...] = (
    Rule("hopeless_cpl", "PAUSE", LEVELS, hopeless_cpl),
    Rule("worst_of_siblings", "PAUSE", _BELOW_CAMPAIGN, worst_of_siblings),
    Rule("high_cpl", "BUDGET_DECREASE", _WITH_BUDGET, high_cpl),
    Rule("low_cpl", "SCALE_UP", LEVELS, low_cpl),
    Rule("solid_cpl", "BUDGET_INCREASE", _WITH_BUDGET, solid_cpl),
    Rule("good_record", "REACTIVATE", LEVELS, good_record, least_expected=0.0, is_of_paused=True),
    Rule("lead_rate_fell", "AUDIENCE_REVIEW", _ADSET, lead_rate_fell),
    Rule("audience_overlap", "AUDIENCE_REVIEW", _ADSET, audience_overlap, least_expected=0.0),
    Rule("cheap_but_small", "AUDIENCE_EXPANSION", _ADSET, cheap_but_small),
    Rule("dear_though_clicked", "AUDIENCE_NARROWING", _ADSET, dear_though_clicked),
    Rule("fatigue", "CREATIVE_REFRESH", _AD, fatigue, least_expected=0.0),
    Rule("undecided", "CREATIVE_TEST", _AD, undecided),
    Rule("best_of_siblings", "CREATIVE_WINNER", _AD, best_of_siblings),
)

GIVES_WAY = {"BUDGET_INCREASE": "SCALE_UP", "BUDGET_DECREASE": "PAUSE"}
"""A type that is not advised while the other one is in force on the same entity."""


def rules_of(entity_type: EntityType) -> list[Rule]:
    """The rules asked at a level."""
    return [rule for rule in RULES if entity_type in rule.levels]


def needs_cpl(rule: Rule) -> bool:
    """Whether the rule rests on the estimate of the CPL, which an entity under the floor does not have."""
    return rule.least_expected > 0
