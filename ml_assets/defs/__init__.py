"""All of Dagster: partitions, backfill policies, resources, assets, the instance and backfills.

One module per concept; no computing (the pure packages) and no SQL (storage).
"""

import warnings

import dagster as dg

# Multi-partition mappings and backfill policies are what the levels rest on; Dagster still calls them beta.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
# So are the partitions of a check that has a spec of its own.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
# Features and classifications differ in length for a reason (policies); their job takes the smaller.
warnings.filterwarnings("ignore", message=r"Asset job \w+ materializes assets with varying BackfillPolicies")
