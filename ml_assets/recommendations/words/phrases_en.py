"""English: every phrase of a recommendation.

A phrase in braces is filled by `values.py`. Sentences start in lower case and have no full stop: both are
added where they are put together. Where a phrase has variants (`.plain`), the first whose numbers are all
known is said. A further language is a file with the same keys, listed in `languages.py`; how it writes
numbers is in `ml_assets.words.locales`.
"""

PHRASES = {
    # nouns: in a title, with "of", in a sentence, many, with "in"
    "campaign.thing": "campaign",
    "campaign.of_thing": "of campaign",
    "campaign.the_thing": "the campaign",
    "campaign.in_the_thing": "in the campaign",
    "campaign.things": "campaigns",
    "adset.thing": "ad set",
    "adset.of_thing": "of ad set",
    "adset.the_thing": "the ad set",
    "adset.in_the_thing": "in the ad set",
    "adset.things": "ad sets",
    "ad.thing": "ad",
    "ad.of_thing": "of ad",
    "ad.the_thing": "the ad",
    "ad.in_the_thing": "in the ad",
    "ad.things": "ads",
    # counted things
    "leads.none": "no leads",
    "leads.one": "1 lead",
    "leads.many": "{number} leads",
    "more_leads.one": "1 more lead",
    "more_leads.many": "{number} more leads",
    "days.one": "1 day",
    "days.many": "{number} days",
    # titles
    "title.PAUSE": "Pause {thing} {name}{within}",
    "title.BUDGET_DECREASE": "Cut the budget {of_thing} {name}{within} by {step_size}",
    "title.BUDGET_DECREASE.plain": "Cut the budget {of_thing} {name}{within}",
    "title.SCALE_UP": "Scale up {thing} {name}{within} with {step_size} more budget",
    "title.SCALE_UP.plain": "Scale up {thing} {name}{within}",
    "title.SCALE_UP.ad": "Give ad {name}{within} more room",
    "title.BUDGET_INCREASE": "Raise the budget {of_thing} {name}{within} by {step_size}",
    "title.BUDGET_INCREASE.plain": "Raise the budget {of_thing} {name}{within}",
    "title.REACTIVATE": "Reactivate {thing} {name}{within}",
    "title.AUDIENCE_REVIEW": "Review the audience {of_thing} {name}{within}",
    "title.AUDIENCE_EXPANSION": "Widen the audience {of_thing} {name}{within}",
    "title.AUDIENCE_NARROWING": "Narrow the audience {of_thing} {name}{within}",
    "title.CREATIVE_REFRESH": "Refresh the creative {of_thing} {name}{within}",
    "title.CREATIVE_TEST": "Test ad {name} against {rival_name}{within}",
    "title.CREATIVE_TEST.plain": "Test ad {name} against the ads beside it{within}",
    "title.CREATIVE_WINNER": "Move spend to the winning ad {name}{within}",
    "title.within": " in {parent_name}",
    # what to do
    "do.pause": "pause {the_thing}: it spent {spend_7d} in the last 7 days",
    "do.pause.plain": "pause {the_thing}",
    "do.cut_budget": "cut the daily budget from {budget} to {budget_after} ({step})",
    "do.cut_budget.step": "cut the daily budget by {step_size}",
    "do.cut_budget.plain": "cut the daily budget",
    "do.raise_budget": "raise the daily budget from {budget} to {budget_after} ({step})",
    "do.raise_budget.step": "raise the daily budget by {step_size}",
    "do.raise_budget.plain": "raise the daily budget",
    "do.make_room": "give it more room in its ad set {parent_name}: pause or slow down the weaker ads beside"
    " it, since an ad has no budget of its own",
    "do.make_room.plain": "give it more room in its ad set: pause or slow down the weaker ads beside it,"
    " since an ad has no budget of its own",
    "do.reactivate": "switch {the_thing} on again",
    "do.review_audience": "review whom {the_thing} reaches: who is excluded, and whether its interests or"
    " lookalikes are used up",
    "do.untangle_audience": "exclude the audience of {overlap_name} here, or merge the two ad sets",
    "do.untangle_audience.plain": "exclude the audience that another ad set of the campaign reaches too, or"
    " merge the two",
    "do.expand_audience": "widen the audience: a broader lookalike, more interests or regions, or Advantage+"
    " audience",
    "do.narrow_audience": "narrow the audience to the people who become leads: exclude the ages, regions or"
    " interests that click and leave",
    "do.refresh_creative": "give the ad a new creative (another image, video or opening) and keep offer and"
    " audience",
    "do.test_creative": "run an A/B test of this ad against {rival_name} with equal budgets until each has"
    " about {test_leads}, which takes about {test_money} in all",
    "do.test_creative.plain": "run an A/B test of this ad against the best ad beside it, with equal budgets",
    "do.shift_spend": "move the spend of the ad set {parent_name} to this ad: pause or slow down the weaker"
    " ads beside it",
    "do.shift_spend.plain": "move the spend of its ad set to this ad: pause or slow down the weaker ads"
    " beside it",
    # why
    "why.record": "it brought {leads} for {spend} of spend in {days}, against {expected_leads} to be"
    " expected at the target of {target_cpl}",
    "why.good_record": "on its last {days} of delivery it brought {leads} for {spend} of spend,"
    " against {expected_leads} to be expected at the target of {target_cpl}",
    "why.paused": "it has been paused for {paused_days}",
    "why.below": "its true cost per lead is below {limit} with {probability} probability (80% interval"
    " {cpl_lo_80} to {cpl_hi_80})",
    "why.above": "its true cost per lead is above {limit} with {probability} probability (80% interval"
    " {cpl_lo_80} to {cpl_hi_80})",
    "why.not_falling": "its leads are not clearly falling",
    "why.worst": "it is the worst of {all_siblings} {things} {in_the_parent} with {probability} probability",
    "why.best": "it is the best of {all_siblings} {things} {in_the_parent} with {probability} probability",
    "why.beside": "its cost per lead is about {cpl} (80% interval {cpl_lo_80} to {cpl_hi_80}), that of the"
    " others about {siblings_cpl}",
    "why.tired": "its click-through rate is a fifth or more below its best with {fatigue} probability, and"
    " the ad itself is the cause",
    "why.seen": "each person saw it at least {frequency} times in 7 days on average",
    "why.lead_rate": "its lead rate changed by {lead_rate_change} from one week to the next; that it fell by"
    " {review_fall} or more is {probability} probable",
    "why.ctr_held": "its click-through rate changed by {ctr_change}, so people still click but no longer"
    " become leads",
    "why.overlap": "its declared targeting overlaps with that of {overlap_name} by {overlap}, so the two may"
    " bid against each other",
    "why.small": "it takes only {share_of_parent_spend} of the spend {in_the_parent}",
    "why.unspent": "only {utilisation} of its budget is spent",
    "why.clicked": "its click-through rate is {ctr_vs_parent} of that of the campaign, but its clicks become"
    " leads at {cvr_vs_parent} of the campaign's rate",
    "why.undecided": "so far it is behind, but its true cost per lead lies anywhere between {cpl_lo_80} and"
    " {cpl_hi_80} (80% interval), too wide to tell which ad is better",
    # what it brings
    "impact": "expected per week: {parts}",
    "impact.leads": "{leads_change} leads (80% interval {leads_lo_80} to {leads_hi_80})",
    "impact.leads.plain": "{leads_change} leads",
    "impact.spend": "{spend_change} of spend",
    "impact.spend.same": "the same spend",
    "impact.cpl": "a cost per lead of {cpl_after}",
    "impact.money": "a net gain of {money} (80% interval {money_lo_80} to {money_hi_80}) with leads valued"
    " at the target",
    "impact.money.plain": "a net gain of {money} with leads valued at the target",
    "impact.waiting": "each week of waiting costs about {waiting}",
    # what would change our mind
    "turn.leads": "withdrawn if that probability falls below {withdraws_below}: {turn_leads} without further"
    " spend would do that",
    "turn.spend": "withdrawn if that probability falls below {withdraws_below}: {turn_spend} more spend"
    " without a lead would do that",
    "turn.longer_record": "withdrawn if the last {estimate_days} alone make that less than {withdraws_below}"
    " probable: {turn_leads} without further spend would do that",
    "turn": "withdrawn if that probability falls below {withdraws_below}",
    "turn.undecided": "withdrawn once one of the two ads is clearly better",
    "turn.audience_overlap": "withdrawn if the overlap falls below {withdraws_below}",
    # why not now
    "not_now": "not now: {reason}",
    "would_be": "the action would be: {action}",
    "done": "done: a change seen on {detected_on} did what was advised here",
    "was": "the advice was: {action}",
    "guard.objective_not_leads": "leads are not the goal of {the_thing}, so its cost per lead says nothing",
    "guard.data_quality": "the account's figures of this day did not pass the data checks; it is judged again"
    " once they do",
    "guard.tracking": "conversion tracking looks broken, so missing leads may only be uncounted ones; it is"
    " judged again once leads are counted",
    "guard.attribution_changed": "the attribution setting changed a few days ago, and figures before and"
    " after do not compare; this ends by {attribution_until}",
    "guard.learning": "Meta is still learning how to deliver {the_thing}; until it has, this needs"
    " {learning_factor} times the usual evidence",
    "guard.recent_edit": "it was edited less than {edit_hours} hours ago; this ends by {edit_until} unless it"
    " is edited again",
    "guard.cooldown": "it was changed a short while ago: {cooldown_hours} hours and {cooldown_leads} expected"
    " leads have to pass first, which takes about {cooldown_days} from the change",
    "guard.cooldown.plain": "it was changed a short while ago: {cooldown_hours} hours and {cooldown_leads}"
    " expected leads have to pass first",
    "guard.immature": "only {maturity} of the leads of this spend are in so far, and {least_maturity} are"
    " needed",
    "guard.immature.plain": "the leads of this spend are not all in yet, and {least_maturity} of them are"
    " needed",
    "guard.budget_owner": "its budget is set on another level; decide about the budget there",
    "guard.budget_owner.campaign": "the budget is set on its ad sets; decide about theirs",
    "guard.budget_owner.adset": "its budget is set on the campaign; decide about the campaign's",
    "guard.step": "a budget may move by at most {largest_step} at once and rise by at most {largest_rise} in"
    " 14 days, and less than {least_step} of that is left",
    "guard.utilisation": "only {utilisation} of its budget is spent; below {least_utilisation} a higher"
    " budget changes nothing",
    "guard.utilisation.plain": "its budget is not spent; below {least_utilisation} a higher budget changes"
    " nothing",
    "guard.campaign_budget_child": "Meta spreads the campaign's budget by itself and already favors what"
    " works, so a part of it is paused only at {child_pause} probability of a cost per lead above"
    " {child_limit}, or as the worst of its siblings",
    "guard.last_active_child": "it is the last of the {things} that run {in_the_parent}, which would stop"
    " with it; decide about that instead",
    "guard.last_active_child.campaign": "it is the last campaign that runs in the account, which would stop"
    " with it",
    "guard.plan": "something else in the account comes first",
    "plan.other_action_first": "another action on {the_thing} comes first",
    "plan.level_above": "a level above is to be paused, cut or is not running",
    "plan.level_above.PAUSE": "{above_thing} {above_name} is to be paused",
    "plan.level_above.BUDGET_DECREASE": "{above_thing} {above_name} is to get a smaller budget",
    "plan.level_above.INACTIVE": "{above_thing} {above_name} is not running",
    "plan.budget": "no budget is freed elsewhere or left to pay for it",
    "plan.no_gain": "each further unit of budget brings fewer leads, and here it would no longer pay",
    "plan.below_the_fold": "a day's list holds at most {issued_per_day} actions, and others are worth more",
    "plan.unsure_now": "it was sure enough some days ago, but at {probability} it no longer is",
    "plan.quiet": "it was advised and withdrawn within the last {quiet_days} days; it comes back from"
    " {quiet_until} on if it still holds",
    "plan.dismissed": "it was dismissed; it comes back by {dismissed_until}, or once the evidence has grown"
    " by {growth}",
}
