"""The code location: every Dagster definition, assembled by name."""

import dagster as dg

from ml_assets.defs.assets.anomalies import anomalies
from ml_assets.defs.assets.classifications import classifications
from ml_assets.defs.assets.entity_metrics import entity_metrics
from ml_assets.defs.assets.features import features
from ml_assets.defs.assets.forecasts import forecasts
from ml_assets.defs.assets.insights import insights
from ml_assets.defs.assets.recommendations import recommendations
from ml_assets.defs.checks import ALL_CHECKS
from ml_assets.defs.jobs import ALL_JOBS
from ml_assets.defs.maintenance import retention, retention_schedule
from ml_assets.defs.resources import DatabaseResource
from ml_assets.defs.schedules import SCHEDULES
from ml_assets.defs.sensors.daily_digest import daily_digest
from ml_assets.defs.sensors.late_ticks import late_ticks
from ml_assets.defs.sensors.new_insights import new_insights
from ml_assets.defs.sensors.notices import deliver_notices, incident_notices_sensor, stale_sources
from ml_assets.defs.sensors.run_failures import run_failures
from ml_assets.settings import record_events_together


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster is told about."""
    record_events_together()
    return dg.Definitions(
        assets=[insights, entity_metrics, features, classifications, anomalies, forecasts, recommendations],
        asset_checks=list(ALL_CHECKS),
        jobs=[*ALL_JOBS, retention],
        schedules=[*SCHEDULES, retention_schedule],
        sensors=[
            late_ticks,
            new_insights,
            incident_notices_sensor,
            stale_sources,
            run_failures,
            daily_digest,
            deliver_notices,
        ],
        resources={"database": DatabaseResource()},
        # A step is one pass over whole frames; a process of its own for each would cost more than the step.
        executor=dg.in_process_executor,
    )
