"""`EntityFeatures`: the features of one entity on one date, declared once.

The dataclass is the single source of the feature columns: the polars schema, the columns of the table
`ml_features` and the column documentation in the Dagster UI are derived from its fields. How the numbers
are computed is in `ml_assets.features`.
"""

import datetime as dt
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, get_args

import polars as pl

from ml_assets.entities import EntityType
from ml_assets.frames import Schema

WINDOW_DAYS = 30
"""The longest plain window; part of the natural key of `ml_features`."""


def _doc(text: str) -> Any:  # noqa: ANN401 - a dataclass field stands in for a value of any type
    return field(default=None, metadata={"doc": text})


@dataclass(frozen=True, kw_only=True)
class EntityFeatures:
    """One row per entity and date. Windows end on `feature_date`, inclusive.

    Money in the account's currency, ratios and relative changes as fractions, undefined values None.
    Null by level: `share_of_parent_*` and `performance_vs_siblings` on campaigns, overlap except on
    adsets, fatigue except on ads.
    """

    config_id: int
    entity_type: str
    entity_id: str
    parent_id: str | None = None
    feature_date: dt.date | None = None
    window_days: int = WINDOW_DAYS

    spend_7d: float | None = _doc("Spend of [D-6, D], account currency")
    impressions_7d: int | None = _doc("Impressions of [D-6, D]")
    clicks_7d: int | None = _doc("Clicks (all) of [D-6, D]; null where the source has none")
    leads_7d: int | None = _doc("Leads of [D-6, D] as known; null where the source has none")
    spend_14d: float | None = _doc("Spend of [D-13, D], account currency")
    leads_14d: int | None = _doc("Leads of [D-13, D] as known")
    spend_30d: float | None = _doc("Spend of [D-29, D], account currency")
    leads_30d: int | None = _doc("Leads of [D-29, D] as known")
    avg_daily_spend_30d: float | None = _doc("Mean spend over the days with spend in 30")

    cpl_7d: float | None = _doc("spend_7d / leads_7d; null without leads")
    ctr_7d: float | None = _doc("clicks_7d / impressions_7d, fraction")
    cpc_7d: float | None = _doc("spend_7d / clicks_7d")
    conversion_rate_7d: float | None = _doc("leads_7d / clicks_7d, fraction")
    cpm_7d: float | None = _doc("1000 * spend_7d / impressions_7d")
    cpl_14d: float | None = _doc("spend_14d / leads_14d")
    cpl_30d: float | None = _doc("spend_30d / leads_30d")

    cpl_trend: float | None = _doc("Relative change of CPL to the previous week, maturity-corrected")
    leads_trend: float | None = _doc("Relative change of leads to the previous week, maturity-corrected")
    spend_trend: float | None = _doc("Relative change of spend to the previous week")
    ctr_trend: float | None = _doc("Relative change of CTR to the previous week")
    leads_trend_probability: float | None = _doc(
        "P(leads per expected lead now < in the previous week), exposure-corrected"
    )

    cpl_std_7d: float | None = _doc("Sample deviation of daily CPL over days with leads; null under two")
    leads_std_7d: float | None = _doc("Sample deviation of daily leads over 7 days")
    leads_dispersion: float | None = _doc("Variance/mean of daily leads over 28 days; 1 = counting noise")

    days_with_leads_7d: int | None = _doc("Days with leads in 7")
    days_active: int | None = _doc("Days with impressions in 30")
    delivery_days_14d: int | None = _doc("Days with impressions in 14")
    is_active: bool | None = _doc("Active on the date, from the entity versions")
    has_budget: bool | None = _doc("A daily or lifetime budget is set at this level on the date")
    budget_owner: str | None = _doc("Where the budget is set on the date: campaign, adset or none")
    daily_budget: float | None = _doc("Daily budget set at this level on the date, account currency")
    lifetime_budget: float | None = _doc("Lifetime budget set at this level on the date")

    frequency_7d: float | None = _doc("Impressions per person over 7 days, from the source's 7-day row")
    reach_7d: int | None = _doc("People reached in 7 days, from the source's 7-day row")
    frequency_7d_min: float | None = _doc(
        "impressions_7d / sum of daily reach: a lower bound of the frequency"
    )

    best_day_of_week: int | None = _doc(
        "ISO weekday of the highest shrunk lead rate, 8 weeks; null < 20 leads"
    )
    worst_day_of_week: int | None = _doc("ISO weekday of the lowest shrunk lead rate, 8 weeks")

    share_of_parent_spend: float | None = _doc("spend_7d / the parent's own spend_7d")
    share_of_parent_leads: float | None = _doc("leads_7d / the parent's own leads_7d")
    performance_vs_siblings: float | None = _doc(
        "(pooled CPL of the other children - cpl_shrunk) / pooled CPL of the others; + is better"
    )
    prob_best_sibling: float | None = _doc("P(lowest true CPL among the delivering siblings)")
    prob_worst_sibling: float | None = _doc("P(highest true CPL among the delivering siblings)")

    audience_overlap_score: float | None = _doc(
        "0-1, likeness of declared targeting with the most alike active sibling x common-day spend"
    )
    overlap_with: str | None = _doc("Adset id of the most alike active sibling")
    overlap_method: str | None = _doc("How the overlap was judged: declared_targeting")

    creative_fatigue_score: float | None = _doc(
        "100 * P(CTR now < 0.8 * CTR at its best), others allowed for"
    )
    fatigue_verdict: str | None = _doc(
        "FRESH, WATCH, LIMITED, FATIGUED; or AUDIENCE_SATURATED, MARKET, TRACKING, LEARNING, UNKNOWN"
    )
    days_to_fatigue: float | None = _doc("Days until CTR reaches 0.8 of its best; null if P(falling) < 0.8")
    days_to_fatigue_lo_80: float | None = _doc("Lower end of the 80 % interval of days_to_fatigue")
    days_to_fatigue_hi_80: float | None = _doc("Upper end of the 80 % interval; null: not within a year")

    target_cpl: float | None = _doc("T: target CPL in force, account currency per lead")
    target_source: str | None = _doc("Where T comes from: campaign, account, own_cpl or none")
    seeks_leads: bool | None = _doc("Whether leads are the goal of this entity")
    cpl_shrunk: float | None = _doc("T / posterior median of the relative lead rate, 14 days")
    cpl_shrunk_lo_80: float | None = _doc("Lower end of the 80 % interval of the true CPL")
    cpl_shrunk_hi_80: float | None = _doc("Upper end of the 80 % interval of the true CPL")
    expected_leads: float | None = _doc(
        "e: leads the spend of 14 days would have brought at T, so far visible"
    )
    maturity: float | None = _doc("Share of the 14 days' final leads visible now, spend-weighted")
    posterior_shape: float | None = _doc("Shape of the Gamma posterior of the relative lead rate r = T/CPL")
    posterior_rate: float | None = _doc("Rate of the same Gamma; its mean is shape / rate")
    prior_mean: float | None = _doc("Mean of the prior the tree gives this entity without its own data")
    prior_shape: float | None = _doc("Shape of that prior")
    ctr_shrunk: float | None = _doc("Posterior mean CTR of 14 days, Beta-Binomial down the tree, fraction")
    ctr_weight: float | None = _doc("alpha + beta of that Beta posterior")
    cvr_shrunk: float | None = _doc("Posterior mean leads per click of 14 days, Gamma-Poisson down the tree")
    cvr_shape: float | None = _doc("Shape of that Gamma posterior")

    extra: str | None = _doc("JSON: further figures, and what an older schema kept")
    insufficient_data: bool = field(
        default=False, metadata={"doc": "Under the floor: e < 2 and n < 3, or fewer than 3 days in 14"}
    )
    generated_at: dt.datetime | None = field(
        default=None, metadata={"doc": "Data as of: the newest version among the figures used (UTC)"}
    )


@dataclass(frozen=True, kw_only=True)
class CampaignFeatures(EntityFeatures):
    """`EntityFeatures` of a campaign, as callers from before multi-level know it."""

    entity_type: str = EntityType.CAMPAIGN.value

    @property
    def campaign_id(self) -> str:
        """The campaign's id: `entity_id` by its old name."""
        return self.entity_id


_DTYPES: dict[type, pl.DataType] = {
    int: pl.Int64(),
    float: pl.Float64(),
    str: pl.String(),
    bool: pl.Boolean(),
    dt.date: pl.Date(),
    dt.datetime: pl.Datetime("us", "UTC"),
}


def _dtype(annotation: Any) -> pl.DataType:  # noqa: ANN401 - an annotation can be any object
    options = [option for option in get_args(annotation) if option is not NoneType] or [annotation]
    return _DTYPES[options[0]]


FEATURES: Schema = {item.name: _dtype(item.type) for item in fields(EntityFeatures)}
"""Schema of a features frame: one column per field of `EntityFeatures`, in its order."""

FEATURE_DOCS: dict[str, str] = {
    item.name: item.metadata["doc"] for item in fields(EntityFeatures) if "doc" in item.metadata
}
"""What each column means, for the UI and the docs."""
