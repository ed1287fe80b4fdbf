"""Anomalies: what is out of its expected band."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field, StringConstraints

from ml_assets.api.answers import json_answer
from ml_assets.api.callers import Caller, Reader
from ml_assets.api.context import Context, Shared
from ml_assets.api.filters import OfDays, PlainText
from ml_assets.api.lists import read_list
from ml_assets.api.models.lists import Anomaly, page_model
from ml_assets.api.problems import problems
from ml_assets.storage.lists import ANOMALIES

router = APIRouter(prefix="/anomalies", tags=["anomalies"])

Severity = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]

IncidentId = Annotated[
    str,
    StringConstraints(to_lower=True, min_length=8, max_length=36, pattern=r"^[0-9a-fA-F-]+$"),
    Field(examples=["1f3a9c02"]),
]
"""The id of an incident, or the first 8 or more digits of it."""


class AnomalyQuery(OfDays):
    """Which anomalies."""

    severity: Severity | None = Field(default=None, description="This severity only.")
    metric: Annotated[PlainText, Field(max_length=100)] | None = Field(
        default=None, description="This metric only, such as `cpm`."
    )
    open: bool = Field(
        default=False, description="Only alerts of incidents that go on, which nobody has acknowledged."
    )
    incident: IncidentId | None = Field(default=None, description="Of this incident, on all its days.")


@router.get("", response_model=page_model(Anomaly), responses=problems(404))
def list_anomalies(query: Annotated[AnomalyQuery, Query()], caller: Reader, context: Shared) -> Response:
    """Anomalies of entities of a level, newest day first.

    Of each account's newest day, unless days or an incident are given or `open` asks for all that go on.
    """
    return json_answer(read_anomalies(context, caller, query))


def read_anomalies(context: Context, caller: Caller, query: AnomalyQuery) -> dict[str, Any]:
    """A page of anomalies."""
    asked = {
        "severity": query.severity,
        "metric": query.metric,
        "incident": query.incident,
        "open": "open" if query.open else None,
    }
    is_of_any_day = query.incident is not None or query.open
    return read_list(context, caller, query, ANOMALIES, asked, is_of_any_day=is_of_any_day)
