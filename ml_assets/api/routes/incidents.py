"""Incidents: one cause each, with its root and its money."""

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from ml_assets.api.answers import json_answer, stored_json
from ml_assets.api.callers import Reader
from ml_assets.api.context import Shared
from ml_assets.api.filters import EntityId, Paged, PlainText, require_account
from ml_assets.api.lists import answer_list, as_before
from ml_assets.api.models.incidents import Incident, IncidentWithAnomalies
from ml_assets.api.models.lists import page_model
from ml_assets.api.problems import problems
from ml_assets.api.routes.anomalies import IncidentId, Severity
from ml_assets.storage.incidents import read_incident, read_incident_anomalies
from ml_assets.storage.lists import ANOMALIES, INCIDENTS

router = APIRouter(prefix="/incidents", tags=["incidents"])

InPath = Annotated[IncidentId, Path(description="The id, or the first 8 or more digits of it.")]


class IncidentQuery(Paged):
    """Which incidents."""

    entity_type: Literal["campaign", "adset", "ad", "all"] = Field(
        default="campaign",
        description="Level of the root; campaigns unless it is given. Incidents of the whole account are "
        "found with the campaigns.",
    )
    entity_id: EntityId | None = Field(default=None, description="Rooted at this campaign, adset or ad.")
    status: Literal["open", "closed", "all"] = Field(default="open", description="Open ones unless given.")
    severity: Severity | None = Field(default=None, description="This severity only.")
    kind: Annotated[PlainText, Field(max_length=50)] | None = Field(
        default=None, description="This kind only, such as CPM_SPIKE."
    )
    below_the_fold: bool = Field(
        default=False,
        description="Those that people are not told of: good news, or the day's list had no room.",
    )


@router.get("", response_model=page_model(Incident), responses=problems(404))
def list_incidents(query: Annotated[IncidentQuery, Query()], caller: Reader, context: Shared) -> Response:
    """Incidents, those of the newest look first, then by money."""
    asked = {
        "level": None if query.entity_type == "all" else query.entity_type,
        "entity_id": query.entity_id,
        "status": None if query.status == "all" else query.status,
        "severity": query.severity,
        "kind": query.kind,
        "issued": not query.below_the_fold,
    }
    return answer_list(context, caller, query, INCIDENTS, asked)


@router.get("/{id}", response_model=IncidentWithAnomalies, responses=problems(404))
def get_incident(id: InPath, caller: Reader, context: Shared) -> Response:  # noqa: A002 - the name in the path
    """An incident with its anomalies."""

    def read(connection: sa.Connection) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        found = read_incident(connection, id)
        require_account(context, caller, found["config_id"])
        return found, read_incident_anomalies(connection, [found["incident_id"]]).to_dicts()

    row, anomalies = context.read(read)
    document = {
        **as_before(_parsed(row, INCIDENTS.documents)),
        "anomalies": [as_before(_parsed(each, ANOMALIES.documents)) for each in anomalies],
        "data_as_of": context.data_as_of({row["config_id"]}),
    }
    return json_answer(document)


def _parsed(row: dict[str, Any], documents: tuple[str, ...]) -> dict[str, Any]:
    return {name: stored_json(value) if name in documents else value for name, value in row.items()}
