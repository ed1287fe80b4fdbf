"""What people did: applied, dismissed, acknowledged, and what they say of tiers; each is logged."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Path, Response
from pydantic import Field, StringConstraints

from ml_assets.api.answers import json_answer
from ml_assets.api.callers import Caller, Writer
from ml_assets.api.context import Context, Shared
from ml_assets.api.filters import require_account
from ml_assets.api.lists import require_entities
from ml_assets.api.models.deeds import (
    Acknowledge,
    AcknowledgedState,
    Apply,
    Deed,
    Dismiss,
    Done,
    RecommendationState,
    TierFeedback,
)
from ml_assets.api.problems import problems
from ml_assets.entities import EntityType
from ml_assets.errors import UnknownIdError
from ml_assets.storage.anomalies import acknowledge_anomaly, acknowledge_incident, give_feedback, read_anomaly
from ml_assets.storage.audit import acting_through
from ml_assets.storage.incidents import read_incident
from ml_assets.storage.recommendation_actions import (
    account_of_recommendation,
    apply_recommendation,
    dismiss_recommendation,
)
from ml_assets.storage.tier_feedback import store_tier_feedback

router = APIRouter()

Id = Annotated[
    str,
    StringConstraints(to_lower=True, min_length=4, max_length=36, pattern=r"^[0-9a-fA-F-]+$"),
    Path(description="The id, or the first digits of it where they name one thing."),
    Field(examples=["1f3a9c02"]),
]

_STATE = ("incident_id", "config_id", "feedback", "acknowledged_at", "acknowledged_by", "resolution_notes")


@router.post(
    "/recommendations/{id}/apply",
    response_model=RecommendationState,
    responses=problems(404, 409),
    tags=["recommendations"],
)
def apply(id: Id, caller: Writer, context: Shared, body: Apply | None = None) -> Response:  # noqa: A002
    """Say that what was advised has been done. It holds for the whole case, and survives every run."""
    said = body or Apply()
    with context.engine.begin() as connection, acting_through(token=caller.name):
        require_account(context, caller, account_of_recommendation(connection, id))
        case = apply_recommendation(connection, id, _who(said, caller), reason=said.reason)
    return json_answer(_named(RecommendationState, {**case.row, "changed": case.has_changed}))


@router.post(
    "/recommendations/{id}/dismiss",
    response_model=RecommendationState,
    responses=problems(404, 409),
    tags=["recommendations"],
)
def dismiss(id: Id, caller: Writer, context: Shared, body: Dismiss) -> Response:  # noqa: A002
    """Say that what was advised will not be done, and why. It is not raised again for a while."""
    with context.engine.begin() as connection, acting_through(token=caller.name):
        require_account(context, caller, account_of_recommendation(connection, id))
        case = dismiss_recommendation(connection, id, _who(body, caller), reason=body.reason)
    return json_answer(_named(RecommendationState, {**case.row, "changed": case.has_changed}))


@router.post(
    "/anomalies/{id}/acknowledge",
    response_model=AcknowledgedState,
    responses=problems(404),
    tags=["anomalies"],
)
def acknowledge(id: Id, caller: Writer, context: Shared, body: Acknowledge | None = None) -> Response:  # noqa: A002
    """Say that somebody has seen an anomaly, and what it was. `id` may be that of an incident too.

    It is said of the incident, with all its anomalies; one that is part of none is acknowledged alone, and
    feedback needs an incident.
    """
    said = body or Acknowledge()
    with context.engine.begin() as connection, acting_through(token=caller.name):
        anomaly = read_anomaly(connection, id)
        if anomaly is not None and anomaly["incident_id"] is None:
            require_account(context, caller, anomaly["config_id"])
            row, changed = acknowledge_anomaly(connection, anomaly["id"], _who(said, caller), said.note)
            state = {"incident_id": None, "feedback": None, **row, "changed": changed}
        else:
            incident_id = id if anomaly is None else anomaly["incident_id"]
            state = _acknowledged(connection, context, caller, incident_id, said)
    return json_answer(_named(AcknowledgedState, state))


@router.post(
    "/incidents/{id}/acknowledge",
    response_model=AcknowledgedState,
    responses=problems(404),
    tags=["incidents"],
    name="acknowledge_incident",
)
def acknowledge_one(
    id: Id,  # noqa: A002
    caller: Writer,
    context: Shared,
    body: Acknowledge | None = None,
) -> Response:
    """Say that somebody has seen an incident, and what it was; its anomalies are acknowledged with it."""
    with context.engine.begin() as connection, acting_through(token=caller.name):
        state = _acknowledged(connection, context, caller, id, body or Acknowledge())
    return json_answer(_named(AcknowledgedState, state))


@router.post(
    "/classifications/feedback", response_model=Done, responses=problems(404), tags=["classifications"]
)
def feedback(caller: Writer, context: Shared, body: TierFeedback) -> Response:
    """Say what the tier of an entity was. The newest word of an entity and day counts."""
    require_account(context, caller, body.config_id)
    level = EntityType(body.entity_type)
    with context.engine.begin() as connection, acting_through(token=caller.name):
        require_entities(connection, [body.config_id], level, [body.entity_id])
        changed = store_tier_feedback(
            connection,
            body.config_id,
            level,
            body.entity_id,
            body.correct_tier,
            _who(body, caller),
            date=body.date,
            note=body.note or None,
        )
    return json_answer({"changed": changed})


def _acknowledged(
    connection: sa.Connection, context: Context, caller: Caller, incident_id: str, said: Acknowledge
) -> dict[str, object]:
    """The incident after it was acknowledged and, where something was said of it, answered."""
    found = read_incident(connection, incident_id)
    require_account(context, caller, found["config_id"])
    if found["incident_id"] is None:
        raise UnknownIdError(f"The incident {incident_id} has no id of its own.")
    who = _who(said, caller)
    done = acknowledge_incident(connection, found["incident_id"], who, said.note)
    changed = done.has_changed
    if said.feedback is not None:
        done = give_feedback(connection, found["incident_id"], said.feedback, who, said.note)
        changed = changed or done.has_changed
    return {**{name: done.row[name] for name in _STATE}, "changed": changed}


def _who(said: Deed, caller: Caller) -> str:
    return said.who or caller.name


def _named(model: type[Done], values: dict[str, object]) -> dict[str, object]:
    """Of the values those that the model names."""
    return {name: values[name] for name in model.model_fields}
