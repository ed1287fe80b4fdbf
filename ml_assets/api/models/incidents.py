"""Incidents."""

from pydantic import create_model

from ml_assets.api.models.lists import Anomaly, Answer
from ml_assets.api.models.rows import row_model
from ml_assets.report.column_docs import INCIDENTS_DOCS
from ml_assets.storage.lists import INCIDENTS

Incident = row_model(
    "Incident", "One cause, however many entities and metrics show it.", INCIDENTS, INCIDENTS_DOCS
)

IncidentWithAnomalies = create_model(
    "IncidentWithAnomalies",
    __base__=(Incident, Answer),
    __doc__="An incident with the anomalies that are part of it, newest day first, the root before the rest.",
    anomalies=(list[Anomaly], ...),  # type: ignore[valid-type] - a model made at run time
)
