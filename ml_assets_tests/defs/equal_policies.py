"""The project's assets with one and the same backfill policy: the set-up that breaks the order of levels."""

import warnings

import dagster as dg

warnings.filterwarnings("ignore", category=dg.BetaWarning)

from ml_assets.defs.backfill import ASSETS  # noqa: E402
from ml_assets.defs.resources import DatabaseResource  # noqa: E402

defs = dg.Definitions(
    assets=[asset.with_attributes(backfill_policy=dg.BackfillPolicy.single_run()) for asset in ASSETS],
    resources={"database": DatabaseResource()},
    executor=dg.in_process_executor,
)
