"""What the columns of each asset's table mean, as the UI shows them. Types come from the frame schemas."""

from collections.abc import Mapping

import dagster as dg
import polars as pl

from ml_assets.entity_features import FEATURE_DOCS
from ml_assets.frames import Schema

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

_TYPES: dict[type[pl.DataType], str] = {
    pl.Int64: "integer",
    pl.Float64: "double",
    pl.String: "text",
    pl.Boolean: "boolean",
    pl.Date: "date",
    pl.Datetime: "timestamp",
}


def column_schema(schema: Schema, docs: Mapping[str, str]) -> dg.TableSchema:
    """The columns of a table for the UI; a column without a line in `docs` has no description."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name=name, type=_TYPES.get(type(dtype), str(dtype)), description=docs.get(name))
            for name, dtype in schema.items()
        ]
    )
