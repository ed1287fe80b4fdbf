"""The project's assets with one and the same backfill policy: the set-up that breaks the order of levels."""

import dagster as dg

from ml_assets.defs.backfill import ASSETS
from ml_assets.defs.resources import DatabaseResource

defs = dg.Definitions(
    assets=[asset.with_attributes(backfill_policy=dg.BackfillPolicy.single_run()) for asset in ASSETS],
    resources={"database": DatabaseResource()},
    executor=dg.in_process_executor,
)
