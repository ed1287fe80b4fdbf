"""Reading what anomalies are found in: figures of all levels, what people said, days that still run."""

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from ml_assets.anomalies.inputs import LOOKBACK_DAYS, AnomalyInputs
from ml_assets.defs.inputs import read_feature_inputs
from ml_assets.defs.running_days import running_inputs
from ml_assets.defs.scope import Scope
from ml_assets.entities import LEVELS
from ml_assets.storage.development import read_lead_revisions
from ml_assets.storage.incident_days import read_incident_feedback

if TYPE_CHECKING:
    from sqlalchemy import Connection

_DAY = ["config_id", "date"]


def read_anomaly_inputs(
    connection: "Connection", scope: Scope, now: dt.datetime
) -> tuple[AnomalyInputs, int]:
    """What the dates of a run are judged on, and how many account days were conformed on the way.

    On the days that still run at `now` the figures are those read until `judged_until`, or none where the day
    is not judged. All levels and entities of the accounts are read whatever the run is restricted to: a cause
    is looked for in the whole tree.
    """
    figures, days_conformed = read_feature_inputs(connection, scope, LOOKBACK_DAYS, LEVELS)
    running, so_far = running_inputs(connection, scope, now)
    over = figures.metrics.join(running, on=_DAY, how="anti")
    start, end = scope.keys.start - dt.timedelta(days=LOOKBACK_DAYS), scope.keys.end
    inputs = AnomalyInputs(
        figures=replace(figures, metrics=pl.concat([over, so_far.select(over.columns)])),
        revisions=read_lead_revisions(connection, start, end, scope.config_ids, figures.entities),
        feedback=read_incident_feedback(connection, scope.config_ids, before=end),
        running=running,
    )
    return inputs, days_conformed
