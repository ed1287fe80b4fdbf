"""Tiers."""

import datetime as dt

from pydantic import Field

from ml_assets.api.models.lists import EntityRow, Json


class Classification(EntityRow):
    """The tier of an entity on a date, and how sure it is."""

    classification_date: dt.date
    tier: str | None = Field(
        description="HIGH_PERFORMER, MODERATE, LOW, UNDERPERFORMER or INSUFFICIENT_DATA; null with a reason "
        "where leads are not the goal.",
        examples=["HIGH_PERFORMER"],
    )
    confidence_score: float | None = Field(description="Probability of the tier.", examples=[0.93])
    probabilities: Json | None = Field(
        description="Tier -> probability.", examples=[{"HIGH_PERFORMER": 0.93, "MODERATE": 0.07}]
    )
    needs: Json | None = Field(description="What is lacking for a decision.")
    previous_tier: str | None
    tier_change_direction: str | None = Field(examples=["improved"])
    days_in_tier: int | None
    metrics_snapshot: Json | None
    feature_importances: Json | None
    reason: str | None
    model_version: str | None
    classified_at: dt.datetime | None
    valid_until: dt.datetime | None
