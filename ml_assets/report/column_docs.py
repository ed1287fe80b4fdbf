"""What the columns of each asset's table mean, as the UI and the API tell it."""

import polars as pl

from ml_assets.anomalies.frames import ANOMALIES
from ml_assets.entity_features import FEATURE_DOCS
from ml_assets.frames import UTC, Schema
from ml_assets.recommendations.frames import RECOMMENDATIONS

KEY_DOCS = {
    "config_id": "Account, key of ads_accounts",
    "entity_type": "Level: campaign, adset or ad",
    "entity_id": "Meta id of the entity, text",
    "parent_id": "Meta id one level up; null for a campaign",
    "campaign_id": "Meta id of the campaign the entity belongs to; its own for a campaign",
    "date": "Day in the account's time zone",
    "known_at": "When the figures were read from Meta (UTC)",
}

FIGURE_DOCS = {
    "spend": "Spend of the day, account currency, major units",
    "impressions": "Impressions of the day",
    "reach": "People reached on the day; adds up over neither days nor entities",
    "clicks": "Clicks (all) of the day",
    "link_clicks": "Link clicks of the day",
    "leads": "Leads of the day as known, by the account's conversion actions",
}

INSIGHTS_DOCS = {
    **KEY_DOCS,
    **FIGURE_DOCS,
    "frequency": "Impressions per person of the same query",
    "window_days": "1: figures of the day; 7: reach and frequency of the seven days up to it",
    "actions": "JSON list of Meta's actions as delivered",
}

ENTITY_METRICS_DOCS = {
    **KEY_DOCS,
    **FIGURE_DOCS,
    "known_at": "Newest reading the level's figures of the day were made from (UTC)",
    "delivered_level": "Level whose rows these are: its own, or the one below it was summed from",
    "reach": "People reached on the day, own row only; null where the figures were summed",
    "reach_bound": "Reach, or the sum of the children's: an upper bound of it",
    "reach_7d": "People reached in the seven days up to the date; null without such a row",
    "frequency_7d": "Impressions per person in those seven days",
    "residual_spend": "Own spend minus the children's sum; null unless both are delivered",
    "residual_impressions": "Own impressions minus the children's sum",
    "residual_clicks": "Own clicks minus the children's sum",
    "residual_leads": "Own leads minus the children's sum",
}

FEATURES_DOCS = {
    **KEY_DOCS,
    **FEATURE_DOCS,
    "feature_date": "Last day of every window, in the account's time zone",
    "window_days": "The longest plain window in days",
}

CLASSIFICATIONS_DOCS = {
    **KEY_DOCS,
    "classification_date": "Day the tier holds for, in the account's time zone",
    "tier": "HIGH_PERFORMER, MODERATE, LOW, UNDERPERFORMER, INSUFFICIENT_DATA; null: leads are not the goal",
    "confidence_score": "Probability of the displayed tier, fraction",
    "probabilities": "JSON: probability of each band of the true CPL, summing to 1",
    "needs": "JSON: how much spend or how many leads until a tier can be named",
    "previous_tier": "Tier on the date before",
    "tier_change_direction": "up, down or same",
    "days_in_tier": "Dates in a row with this tier",
    "metrics_snapshot": "JSON: the figures the tier rests on",
    "feature_importances": "JSON: what moved the tier, largest first",
    "reason": "Why there is no tier, in words",
    "model_version": "Classifier and its version",
    "classified_at": "When it was classified (UTC)",
    "valid_until": "Until when the tier holds (UTC)",
}

RECOMMENDATIONS_STORED: Schema = {
    name: dtype
    for before in RECOMMENDATIONS
    for name, dtype in (
        {"case_id": pl.String()} if before == "first_date" else {before: RECOMMENDATIONS[before]}
    ).items()
}
"""RECOMMENDATIONS with the id of the case that is made of its first date, as in `ml_recommendations`."""

RECOMMENDATIONS_DOCS = {
    **KEY_DOCS,
    "recommendation_date": "Day it was advised for, in the account's time zone",
    "recommendation_type": "What to do: PAUSE, BUDGET_DECREASE, SCALE_UP, BUDGET_INCREASE, REACTIVATE, "
    "AUDIENCE_REVIEW, AUDIENCE_EXPANSION, AUDIENCE_NARROWING, CREATIVE_REFRESH, CREATIVE_TEST, "
    "CREATIVE_WINNER",
    "case_id": "The same advice on following days is one case",
    "status": "active, applied, dismissed, expired or superseded (no longer advised, but acted upon)",
    "blocked_by": "Guard that forbids it now, `plan` where something else comes first; null: issued",
    "priority": "10 (first) to 1, from money and certainty",
    "title": "What to do, in one sentence, in the language of the run",
    "description": "Why, what it brings and what would change our mind, in words",
    "suggested_action": "JSON: action, entity, and from, to and change of a budget",
    "confidence_score": "Probability that decides the rule, fraction",
    "reasoning": "JSON: rule, thresholds, the figures it rests on, guards passed, policy version",
    "expected_impact": "JSON: leads, spend, money and CPL a week with 80 % intervals",
    "cost_of_waiting": "What each week of waiting costs, account currency",
    "created_at": "When the advice was made, or the figures it rests on were read (UTC)",
    "expires_at": "Until when it stands if nobody acts (UTC)",
    "applied_at": "When it was done (UTC)",
    "applied_by": "Who did it; `detected`: seen in the entity versions",
    "dismissed_at": "When it was dismissed (UTC)",
    "dismissed_by": "Who dismissed it",
    "dismissed_reason": "Why",
}

ANOMALIES_STORED: Schema = {
    **ANOMALIES,
    "is_acknowledged": pl.Boolean(),
    "acknowledged_by": pl.String(),
    "acknowledged_at": UTC,
    "resolution_notes": pl.String(),
    "is_superseded": pl.Boolean(),
}
"""ANOMALIES with what people did, as in `ml_anomalies`."""

ANOMALIES_DOCS = {
    **KEY_DOCS,
    "anomaly_date": "Day it was found on, in the account's time zone",
    "metric_name": "Metric; `multivariate`: all of them together, `levels`: they do not add up",
    "anomaly_type": "What happened, such as SPEND_DROP, CTR_DROP, TRACKING_BREAK, DATA_QUALITY",
    "observed_value": "What was observed, in the metric's unit: money, count, fraction",
    "expected_value": "What its own past, weekday and trend lead to expect",
    "lower_value": "Lower end of the band of 99 % around what was expected",
    "upper_value": "Upper end of that band",
    "deviation_score": "Standard deviations from what was expected, signed",
    "p_value": "Probability of so large a deviation by chance, two-sided",
    "severity": "LOW, MEDIUM, HIGH or CRITICAL, by the money at stake that day",
    "direction": "up or down",
    "is_alert": "Part of an issued incident",
    "is_provisional": "The day still ran where the account is",
    "incident_id": "The incident it belongs to; null: a voice that is of none",
    "is_root_cause": "Its entity and metric are the root of the incident",
    "contribution": "Share of the root's change, fraction; 1 for the root",
    "description": "What happened, in words, in the language of the run",
    "detected_at": "Moment the figures are as of (UTC)",
    "is_acknowledged": "Somebody has seen it, or its incident",
    "acknowledged_by": "Who has seen it",
    "acknowledged_at": "When (UTC)",
    "resolution_notes": "What they noted",
    "is_superseded": "Newer figures do not show it any more, and somebody had seen it; never an alert",
}

FORECASTS_DOCS = {
    **KEY_DOCS,
    "entity_id": "Meta id of the entity; `unattributed:` and an id: what is of none of its children",
    "target_metric": "spend, impressions, clicks, leads; cpl, ctr, cpc and cpm are derived from them",
    "horizon_days": "Days ahead, from the day after the forecast date",
    "forecast_date": "Last day that was known, in the account's time zone",
    "method": "Candidate with the largest weight; `borrowed`: the parent's shape; `derived`: a ratio",
    "model_version": "Version of the way forecasts are made",
    "as_of": "Moment the figures are as of (UTC); levels of the same moment add up",
    "insufficient_data": "Under three days of history: no numbers",
    "backtest": "JSON: origins, MASE and weight of every candidate, MASE of their mean",
    "total_value": "Sum over all days, or the ratio of the sums",
    "total_lower_80": "Lower end of the 80 % interval of the total; null: none",
    "total_upper_80": "Upper end of it",
    "total_lower_95": "Lower end of the 95 % interval of the total; null: none",
    "total_upper_95": "Upper end of it",
}

ENTITIES_DOCS = {
    **KEY_DOCS,
    "name": "Name in Ads Manager",
    "objective": "What a campaign is for; null at other levels",
    "optimization_goal": "What an adset is delivered for; null at other levels",
    "status": "As set at this level, such as ACTIVE or PAUSED",
    "effective_status": "As it is delivered, the levels above considered",
    "daily_budget": "Account currency, major units; null where the level owns none",
    "lifetime_budget": "Account currency, major units; null where the level owns none",
    "bid_strategy": "How it bids",
    "attribution_setting": "Window in which leads count; adsets only",
    "targeting": "JSON: whom an adset is shown to; adsets only",
    "learning_status": "LEARNING, SUCCESS, FAIL or UNKNOWN; adsets only",
    "last_significant_edit_at": "When learning began anew (UTC); adsets only",
    "target_cpl": "Target cost per lead of a campaign, account currency; null: the account's",
    "creative_id": "Meta id of the creative; ads only",
    "start_time": "Begin of its flight (UTC)",
    "stop_time": "End of its flight (UTC)",
    "created_time": "When it was made (UTC)",
    "synced_at": "When it was last read (UTC)",
}

INCIDENTS_DOCS = {
    **KEY_DOCS,
    "entity_type": "Level of the root: campaign, adset or ad; `account` where the whole account moved",
    "entity_id": "Meta id of the root: the entity that explains the rest",
    "incident_id": "Names the incident on all its days",
    "kind": "What happened, such as ZERO_SPEND, CPM_SPIKE, TRACKING_BREAK",
    "onset_date": "First day of it, in the account's time zone",
    "last_date": "Last day that showed it",
    "status": "open or closed",
    "severity": "LOW, MEDIUM, HIGH or CRITICAL, by the money at stake a day",
    "money": "Lost or overspent so far, account currency",
    "alert_rank": "Place among the day's alerts; null on a quiet day and below the fold",
    "verdict": "ENTITY, or EXTERNAL where the market moved",
    "description": "What happened, what it cost and since when, in one sentence",
    "attribution": "JSON: metric tree, rate and mix, shares of the entities, series",
    "evaluated_date": "Day of the newest look at it",
    "notified_at": "When people were told (UTC)",
    "feedback": "What people called it: CONFIRMED, EXPECTED, FALSE_ALARM or NEW_NORMAL",
    "acknowledged_by": "Who has seen it",
    "acknowledged_at": "When (UTC)",
    "resolution_notes": "What they noted",
    "is_issued": "Whether people are told of it; otherwise it is below the fold, or good news",
}
