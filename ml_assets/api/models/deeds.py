"""What people say they did, and how things stand after it."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from ml_assets.api.filters import ConfigId, Day, EntityId, Level, PlainText


def _a_name(text: str) -> str:
    if text.casefold() == "detected":
        raise ValueError("`detected` is what the pipeline saw by itself, not a person")
    return text


Who = Annotated[
    PlainText,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_a_name),
    Field(examples=["Ana"]),
]
Note = Annotated[PlainText, StringConstraints(strip_whitespace=True, max_length=2000)]


class Deed(BaseModel):
    """Who does it."""

    model_config = ConfigDict(extra="forbid")

    who: Who | None = Field(default=None, description="For the record; the token's name unless given.")


class Apply(Deed):
    """It has been done."""

    reason: Note | None = Field(default=None, description="Why, if it is worth saying.")


class Dismiss(Deed):
    """It will not be done, and why."""

    reason: Annotated[Note, Field(min_length=1, examples=["planned otherwise"])]


class Acknowledge(Deed):
    """Somebody has seen it, and what it was."""

    feedback: Literal["CONFIRMED", "EXPECTED", "FALSE_ALARM", "NEW_NORMAL"] | None = Field(
        default=None, description="What it was; what follows learns from it."
    )
    note: Note | None = Field(default=None, description="What is worth noting.")


class TierFeedback(Deed):
    """What the tier of an entity was."""

    config_id: ConfigId
    entity_type: Level = "campaign"
    entity_id: EntityId
    correct_tier: Literal["HIGH_PERFORMER", "MODERATE", "LOW", "UNDERPERFORMER", "INSUFFICIENT_DATA"]
    date: Day | None = Field(default=None, description="Of this day; in general unless given.")
    note: Note | None = None


class Done(BaseModel):
    """What came of it."""

    changed: bool = Field(description="false: it was like that already.")


class RecommendationState(Done):
    """How a recommendation stands."""

    id: str
    case_id: str | None
    config_id: int
    entity_type: str
    entity_id: str
    recommendation_type: str
    status: str = Field(examples=["dismissed"])
    applied_at: dt.datetime | None
    applied_by: str | None
    dismissed_at: dt.datetime | None
    dismissed_by: str | None
    dismissed_reason: str | None


class AcknowledgedState(Done):
    """How an anomaly and its incident stand."""

    incident_id: str | None = Field(description="null: an anomaly that is part of no incident.")
    config_id: int
    feedback: str | None
    acknowledged_at: dt.datetime | None
    acknowledged_by: str | None
    resolution_notes: str | None
