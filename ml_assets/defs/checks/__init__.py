"""Asset checks: whether what was materialized may be relied upon, partition by partition.

What they judge by is in `ml_assets.checks`; which failures still stand in `standing`.
"""

from ml_assets.defs.checks.figures import entity_metrics_checks
from ml_assets.defs.checks.forecasts import FORECAST_CHECKS
from ml_assets.defs.checks.freshness import FRESHNESS_CHECKS
from ml_assets.defs.checks.results import RESULT_CHECKS

ALL_CHECKS = (entity_metrics_checks, *RESULT_CHECKS, *FORECAST_CHECKS, *FRESHNESS_CHECKS)

__all__ = ["ALL_CHECKS", "FORECAST_CHECKS", "FRESHNESS_CHECKS", "RESULT_CHECKS", "entity_metrics_checks"]
