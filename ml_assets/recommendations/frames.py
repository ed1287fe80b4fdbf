"""The schemas of what the recommendations are made from and of what they are.

`DECISIONS` is what rules, guards and plan decided, in numbers; `RECOMMENDATIONS` is the same in words, as it
is stored. Money in the account's currency, per week where the name says so; probabilities, steps and shares
as fractions; null where a column does not apply to the type.
"""

import polars as pl

from ml_assets.frames import KEY, UTC, Schema

TYPES = (
    "PAUSE",
    "BUDGET_DECREASE",
    "SCALE_UP",
    "BUDGET_INCREASE",
    "REACTIVATE",
    "AUDIENCE_REVIEW",
    "AUDIENCE_EXPANSION",
    "AUDIENCE_NARROWING",
    "CREATIVE_REFRESH",
    "CREATIVE_TEST",
    "CREATIVE_WINNER",
)

GUARDS = (
    "objective_not_leads",
    "data_quality",
    "tracking",
    "attribution_changed",
    "learning",
    "recent_edit",
    "immature",
    "budget_owner",
    "step",
    "utilisation",
    "campaign_budget_child",
    "cooldown",
    "last_active_child",
    "plan",
)
"""In the order in which they are asked; the first that blocks is `blocked_by`."""

PLAN_REASONS = {
    "other_action_first": "another action on the same entity comes first",
    "level_above": "a level above is to be paused, cut or is not running",
    "budget": "no budget is freed or left to pay for it",
    "no_gain": "after diminishing returns it would not pay",
    "below_the_fold": "the day's list is full with what is worth more",
    "unsure_now": "it was sure enough some days ago, but is not on this date",
    "quiet": "it was given and withdrawn within the last days",
    "dismissed": "it was dismissed, and the evidence has not grown by half",
}
"""Why `blocked_by` is `plan`: values of `plan_reason`."""

DECISIONS: Schema = {
    **KEY,
    "parent_id": pl.String(),
    "campaign_id": pl.String(),
    "recommendation_date": pl.Date(),
    "recommendation_type": pl.String(),
    "rule": pl.String(),  # name in `rules.RULES`, e.g. worst_of_siblings
    "probability": pl.Float64(),  # that decides the rule; the confidence
    "enters_at": pl.Float64(),  # probability from which the rule issues
    "withdraws_below": pl.Float64(),
    "blocked_by": pl.String(),  # one of GUARDS; null when issued
    "plan_reason": pl.String(),  # one of PLAN_REASONS where blocked_by is plan
    "above_type": pl.String(),  # level that was decided upon, where plan_reason is level_above
    "above_id": pl.String(),
    "above_action": pl.String(),  # its recommendation type, or INACTIVE
    "rank": pl.Int64(),  # place among the issued of the account, level and date, from 1; null when blocked
    "first_date": pl.Date(),  # first date of the case
    "expires_on": pl.Date(),  # last date on which the advice stands if it is not renewed
    "detected_at": UTC,  # when a change in the entity versions did what the case advised; ends the case
    # what it is worth, a week, with 80 % intervals; changes against going on as now
    "money_per_week": pl.Float64(),
    "money_lo_80": pl.Float64(),
    "money_hi_80": pl.Float64(),
    "leads_per_week": pl.Float64(),
    "leads_lo_80": pl.Float64(),
    "leads_hi_80": pl.Float64(),
    "spend_per_week": pl.Float64(),
    "cpl_after": pl.Float64(),  # of the entity; null where it stops
    "cpl_after_lo_80": pl.Float64(),
    "cpl_after_hi_80": pl.Float64(),
    "step": pl.Float64(),  # relative change of the budget; null where no budget changes
    "budget": pl.Float64(),  # daily budget now, or daily spend where no budget is known
    "budget_after": pl.Float64(),
    # what it rests on
    "target_cpl": pl.Float64(),
    "cpl": pl.Float64(),  # posterior median of the true CPL
    "cpl_lo_80": pl.Float64(),
    "cpl_hi_80": pl.Float64(),
    "days": pl.Int64(),  # that leads, e, spend and the CPL with its interval cover: 14, or a longer record
    "leads": pl.Int64(),
    "expected_leads": pl.Float64(),  # e
    "spend": pl.Float64(),
    "spend_7d": pl.Float64(),
    "maturity": pl.Float64(),
    "delivery_days_14d": pl.Int64(),
    "siblings": pl.Int64(),  # that deliver, itself not counted
    "siblings_cpl": pl.Float64(),  # posterior mean lead rate of the others as a CPL
    "utilisation": pl.Float64(),  # spend of 7 days over the budget of 7 days
    "frequency": pl.Float64(),  # of 7 days, or its lower bound
    "fatigue_score": pl.Float64(),
    "fatigue_verdict": pl.String(),
    "overlap": pl.Float64(),
    "overlap_with": pl.String(),
    "lead_rate_change": pl.Float64(),  # posterior mean, last 7 days against the 7 before
    "ctr_change": pl.Float64(),
    "ctr_vs_parent": pl.Float64(),  # own posterior CTR over the parent's
    "cvr_vs_parent": pl.Float64(),
    "share_of_parent_spend": pl.Float64(),
    "paused_days": pl.Int64(),
    "rival_id": pl.String(),  # CREATIVE_TEST: the ad to test against
    "test_leads": pl.Float64(),  # CREATIVE_TEST: leads per arm until decided
    "test_money": pl.Float64(),  # CREATIVE_TEST: spend of both arms until decided
    # what would change our mind
    "turn_leads": pl.Int64(),  # leads at no further spend after which the rule would be withdrawn
    "turn_spend": pl.Float64(),  # spend without a lead after which the rule would be withdrawn
    "data_as_of": UTC,
}

RECOMMENDATIONS: Schema = {
    **KEY,
    "parent_id": pl.String(),
    "recommendation_date": pl.Date(),
    "recommendation_type": pl.String(),
    "first_date": pl.Date(),
    "status": pl.String(),
    "blocked_by": pl.String(),
    "priority": pl.Int64(),
    "title": pl.String(),
    "description": pl.String(),
    "suggested_action": pl.String(),
    "confidence_score": pl.Float64(),
    "reasoning": pl.String(),
    "expected_impact": pl.String(),
    "cost_of_waiting": pl.Float64(),
    "created_at": UTC,
    "expires_at": UTC,
    "applied_at": UTC,
    "applied_by": pl.String(),
    "dismissed_at": UTC,
    "dismissed_by": pl.String(),
    "dismissed_reason": pl.String(),
}
"""As stored in `ml_recommendations`, with `first_date` of the case in place of the `case_id` made from it.

suggested_action, reasoning and expected_impact are JSON texts. `status` is active, or applied where a
change was detected; what people did is put over it when rows are stored.
"""

USER_ACTIONS: Schema = {
    **KEY,
    "recommendation_type": pl.String(),
    "case_id": pl.String(),
    "action": pl.String(),  # applied or dismissed
    "at": UTC,
    "by": pl.String(),
    "reason": pl.String(),
    "confidence_score": pl.Float64(),  # of the newest row of the case at that moment
}
"""What people did with recommendations: one row per case. `applied_by` `detected` is not among them."""

SUSPENSIONS: Schema = {
    "config_id": pl.Int64(),
    "entity_type": pl.String(),
    "date": pl.Date(),
    "guard": pl.String(),  # tracking or data_quality
    "reason": pl.String(),
}
"""Accounts and levels whose figures are not to be acted upon on a date."""
