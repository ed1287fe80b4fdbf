"""The code location: every Dagster definition, assembled by name."""

import warnings

import dagster as dg

# Multi-partition mappings and backfill policies are what the levels rest on; Dagster still calls them beta.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

from ml_assets.defs.assets.classifications import classifications  # noqa: E402 - after the filter above
from ml_assets.defs.assets.entity_metrics import entity_metrics  # noqa: E402
from ml_assets.defs.assets.features import features  # noqa: E402
from ml_assets.defs.assets.insights import insights  # noqa: E402
from ml_assets.defs.resources import DatabaseResource  # noqa: E402


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster is told about."""
    return dg.Definitions(
        assets=[insights, entity_metrics, features, classifications],
        resources={"database": DatabaseResource()},
        # A step is one pass over whole frames; a process of its own for each would cost more than the step.
        executor=dg.in_process_executor,
    )
