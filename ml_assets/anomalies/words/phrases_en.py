"""English: every phrase of an incident and of an anomaly.

A phrase in braces is filled by `values.py`. Phrases start in lower case and have no full stop: both are added
where they are put together. `.ongoing` is said of what still goes on and began on an earlier day, `.past` of
everything else. A further language is a file with the same keys, listed in `languages.py`.
"""

PHRASES = {
    # the entity as subject, with "of", as the place of a change, many, many that belong to it
    "account.root": "the whole account",
    "account.of_root": "of the whole account",
    "campaign.root": "campaign {name}",
    "campaign.of_root": "of campaign {name}",
    "campaign.in_thing": "in campaign",
    "campaign.in_things": "in campaigns",
    "campaign.things": "campaigns",
    "campaign.its_things": "its campaigns",
    "adset.root": "ad set {name}",
    "adset.of_root": "of ad set {name}",
    "adset.in_thing": "in ad set",
    "adset.in_things": "in ad sets",
    "adset.things": "ad sets",
    "adset.its_things": "its ad sets",
    "ad.root": "ad {name}",
    "ad.of_root": "of ad {name}",
    "ad.in_thing": "in ad",
    "ad.in_things": "in ads",
    "ad.things": "ads",
    "ad.its_things": "its ads",
    # metrics as a subject
    "metric.spend": "spend",
    "metric.impressions": "number of impressions",
    "metric.clicks": "number of clicks",
    "metric.leads": "number of leads",
    "metric.cpm": "CPM",
    "metric.ctr": "click-through rate",
    "metric.cvr": "lead rate (leads per click)",
    "metric.cpl": "cost per lead",
    "metric.frequency": "frequency",
    # counted things
    "leads.one": "1 lead",
    "leads.many": "{number} leads",
    "clicks.one": "1 click",
    "clicks.many": "{number} clicks",
    "impressions.one": "1 impression",
    "impressions.many": "{number} impressions",
    "frequency.one": "once per person",
    "frequency.many": "{number} times per person",
    # when
    "when.since": "since {onset}",
    "when.on": "on {onset}",
    "when.from_to": "from {onset} to {last}",
    # how far, against what was expected
    "change.up.ongoing": "has risen by {percent}",
    "change.up.past": "rose by {percent}",
    "change.doubled.ongoing": "has doubled",
    "change.doubled.past": "doubled",
    "change.tripled.ongoing": "has tripled",
    "change.tripled.past": "tripled",
    "change.times.ongoing": "has grown to {times} times what was expected",
    "change.times.past": "grew to {times} times what was expected",
    "change.some_up.ongoing": "has been higher than expected",
    "change.some_up.past": "was higher than expected",
    "change.down.ongoing": "has fallen by {percent}",
    "change.down.past": "fell by {percent}",
    "change.halved.ongoing": "has halved",
    "change.halved.past": "halved",
    "change.zero.ongoing": "has dropped to zero",
    "change.zero.past": "dropped to zero",
    "change.some_down.ongoing": "has been lower than expected",
    "change.some_down.past": "was lower than expected",
    # what happened
    "what.metric.ongoing": "{metric} {of_root} {change} {when}",
    "what.metric.past": "{metric} {of_root} {change} {when}",
    "what.ZERO_SPEND.ongoing": "{root} has spent nothing {when}",
    "what.ZERO_SPEND.past": "{root} spent nothing {when}",
    "what.ZERO_IMPRESSIONS.ongoing": "{root} has not been shown to anybody {when}",
    "what.ZERO_IMPRESSIONS.past": "{root} was not shown to anybody {when}",
    "what.TRACKING_BREAK.ongoing": "{root} has had clicks as usual {when} but leads are missing",
    "what.TRACKING_BREAK.past": "{root} had clicks as usual {when} but leads were missing",
    "what.FREQUENCY_ALERT.ongoing": "{root} has been shown to the same people too often {when}",
    "what.FREQUENCY_ALERT.past": "{root} was shown to the same people too often {when}",
    "what.REACH_SATURATION.ongoing": "{root} has hardly reached new people {when}",
    "what.REACH_SATURATION.past": "{root} hardly reached new people {when}",
    "what.PERFORMANCE_DROP.ongoing": "the figures {of_root}, taken together, have looked worse than those"
    " beside it {when}",
    "what.PERFORMANCE_DROP.past": "the figures {of_root}, taken together, looked worse than those beside it"
    " {when}",
    "what.PERFORMANCE_SPIKE.ongoing": "the figures {of_root}, taken together, have looked better than those"
    " beside it {when}",
    "what.PERFORMANCE_SPIKE.past": "the figures {of_root}, taken together, looked better than those beside"
    " it {when}",
    "what.DATA_QUALITY.ongoing": "the figures {of_root} have looked late or incomplete {when}",
    "what.DATA_QUALITY.past": "the figures {of_root} looked late or incomplete {when}",
    "what.DATA_QUALITY.levels.ongoing": "the figures {of_root} have not added up to those of {its_children}"
    " {when}",
    "what.DATA_QUALITY.levels.past": "the figures {of_root} did not add up to those of {its_children} {when}",
    "values": "({observed}, expected {expected})",
    "values.day": "({observed} on {last}, expected {expected})",
    # why
    "cause.mix": "mainly because delivery moved between {its_children}, not because they changed",
    "cause.up": "mainly because {cause_metric} rose by {cause_percent}",
    "cause.down": "mainly because {cause_metric} fell by {cause_percent}",
    "cause_metric.spend": "spend",
    "cause_metric.cpm": "CPM",
    "cause_metric.ctr": "the click-through rate",
    "cause_metric.cvr": "the lead rate (leads per click)",
    "hint.TRACKING_BREAK": "the tracking is probably broken (check pixel, form and CRM)",
    "hint.DATA_QUALITY": "decisions that rest on them are held back",
    # how much money
    "money.over.ongoing": "about {money} overspent so far",
    "money.over.past": "about {money} overspent",
    "money.lost.ongoing": "about {money} lost so far",
    "money.lost.past": "about {money} lost",
    "money.unspent.ongoing": "about {money} not spent so far",
    "money.unspent.past": "about {money} not spent",
    "money.leads.ongoing": "leads worth about {money} missing so far",
    "money.leads.past": "leads worth about {money} missing",
    "money.saved.ongoing": "about {money} saved so far",
    "money.saved.past": "about {money} saved",
    "money.stake.ongoing": "about {money} at stake so far",
    "money.stake.past": "about {money} at stake",
    # where
    "where.all": "all of it {in_child} {child_1}",
    "where.one": "mostly {in_child} {child_1}",
    "where.two": "mostly {in_children} {child_1} and {child_2}",
    "where.many": "mostly in {children} {child_things}, first of all {child_1}",
    "where.external": "its campaigns moved together, so no single one is the cause",
    # how it stands
    "state.recovered": "back to normal since {recovered}",
    "state.normal": "it has gone on for so long that it counts as normal now",
    "state.quiet": "back in the usual range on {evaluated}, watched a little longer",
    "state.provisional": "provisional, since {evaluated} is still running",
    # one anomaly
    "anomaly": "{metric} {of_root} on {onset}: {observed}, expected {expected} ({lower} to {upper})",
    "anomaly.band": "{metric} {of_root} on {onset}: {observed}, expected {expected}",
    "anomaly.plain": "{metric} {of_root} on {onset}: out of the expected range",
    "anomaly.TRACKING_BREAK": "{root} had clicks as usual on {onset} but leads are missing: {observed},"
    " expected {expected}",
    "anomaly.TRACKING_BREAK.plain": "{root} had clicks as usual on {onset} but leads are missing",
    "anomaly.PERFORMANCE_DROP": "the figures {of_root} on {onset}, taken together, look worse than those"
    " beside it",
    "anomaly.PERFORMANCE_SPIKE": "the figures {of_root} on {onset}, taken together, look better than those"
    " beside it",
    "anomaly.REACH_SATURATION": "{root} hardly reached new people in the days up to {onset}",
    "anomaly.DATA_QUALITY": "the figures {of_root} for {onset} look late or incomplete",
    "anomaly.DATA_QUALITY.levels": "the figures {of_root} for {onset} do not add up to those of"
    " {its_children}",
}
