"""Models of counts: one row for each group that has members."""

import datetime as dt
from typing import Literal

from pydantic import BaseModel, Field

from ml_assets.api.models.lists import Answer


class Group(BaseModel):
    """How many rows are of one kind."""

    entity_type: Literal["campaign", "adset", "ad"] = Field(description="Level.", examples=["campaign"])
    count: int = Field(ge=1, description="Rows of the group.", examples=[12])
    first_date: dt.date = Field(description="The first day that rows of the group are of.")
    last_date: dt.date = Field(
        description="The last one: another than the first where accounts differ in their newest day."
    )


class TierCount(Group):
    """How many entities have a tier."""

    tier: str | None = Field(description="Null: leads are not the goal.", examples=["HIGH_PERFORMER"])


class AnomalyCount(Group):
    """How many anomalies are of a severity, metric and type."""

    severity: str | None = Field(examples=["HIGH"])
    metric_name: str = Field(examples=["cpm"])
    anomaly_type: str = Field(examples=["CPM_SPIKE"])
    is_alert: bool = Field(description="Part of an issued incident.")


class RecommendationCount(Group):
    """How many recommendations are of a type and status, issued or held back."""

    recommendation_type: str = Field(examples=["BUDGET_DECREASE"])
    status: str | None = Field(description="As it reads now.", examples=["active"])
    blocked_by: str | None = Field(
        description="Guard that holds them back; null: issued.", examples=["learning"]
    )


class ForecastCount(Group):
    """How many forecasts are of a metric, horizon and method."""

    target_metric: str = Field(examples=["leads"])
    horizon_days: int = Field(description="Days ahead.", examples=[7])
    method: str | None = Field(description="Null where there was too little data.", examples=["smoothing"])


class TierSummary(Answer):
    """Tiers, counted."""

    items: list[TierCount]


class AnomalySummary(Answer):
    """Anomalies, counted."""

    items: list[AnomalyCount]


class RecommendationSummary(Answer):
    """Recommendations, counted."""

    items: list[RecommendationCount]


class ForecastSummary(Answer):
    """Forecasts, counted."""

    items: list[ForecastCount]
