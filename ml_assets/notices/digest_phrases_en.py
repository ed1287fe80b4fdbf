"""English: what the daily digest says beside the titles of recommendations and the sentences of incidents.

Phrases that count have `.one` and `.many`; `.none` where nothing is said in words of its own.
"""

PHRASES = {
    "heading": "Daily digest: {day}",
    # the one line
    "things.none": "nothing to do",
    "things.one": "1 thing to do",
    "things.many": "{number} things to do",
    "open.none": "no open incidents",
    "open.one": "1 open incident",
    "open.many": "{number} open incidents",
    "accounts.none": "no accounts",
    "accounts.one": "1 account",
    "accounts.many": "{number} accounts",
    # what to do
    "to_do": "What to do:",
    "to_do.none": "Nothing to do.",
    "more": "and {number} more",
    "sure": "{probability} sure",
    "worth": "{money} a week",
    # tiers
    "moved": "Tiers: {up} up, {down} down.",
    "moved.line": "{thing} {name}: {tier}, was {previous}",
    "moved.spend": "{money} in 14 days",
    "campaign": "Campaign",
    "adset": "Ad set",
    "ad": "Ad",
    "HIGH_PERFORMER": "high performer",
    "MODERATE": "moderate",
    "LOW": "low",
    "UNDERPERFORMER": "underperformer",
    "INSUFFICIENT_DATA": "insufficient data",
    # incidents
    "incidents.one": "1 open incident",
    "incidents.many": "{number} open incidents",
    "new.one": "1 of them new",
    "new.many": "{number} of them new",
    "over.one": "1 incident is over",
    "over.many": "{number} incidents are over",
    "new": "New: {sentence}",
    # pacing
    "so_far": "Day {day} of {days}: {spend} spent, {leads} so far",
    "month_over": "The month is over: {spend} spent, {leads}",
    "leads.one": "1 lead",
    "leads.many": "{number} leads",
    "ahead.one": "the next day brings about {spend} of spend{spend_range} and {leads}{leads_range}",
    "ahead.many": "the next {number} days bring about {spend} of spend{spend_range} and {leads}{leads_range}",
    "landing": "the month ends at about {spend}{spend_range} and {leads}{leads_range}",
    "range": " ({low} to {high})",
    "budget": "{share} of the budget of {budget}",
    # quiet and missing
    "quiet": "A quiet day: nothing to do, no tier moved, no incident is open.",
    "lacks.plan": "The plan of this day has not been made.",
    "lacks.tiers": "This day has not been judged.",
    "lacks.figures": "There are no figures of this day.",
    "lacks.forecasts": "There is no forecast of the days to come.",
    "late": "Not there yet: the recommendations of {levels}.",
    "campaign.things": "campaigns",
    "adset.things": "ad sets",
    "ad.things": "ads",
    "rest.one": "1 more account: nothing more pressing.",
    "rest.many": "{number} more accounts: nothing more pressing.",
}
