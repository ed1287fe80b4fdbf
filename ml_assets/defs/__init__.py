"""All of Dagster: partitions, backfill policies, resources, assets, the instance and backfills.

One module per concept; no computing (the pure packages) and no SQL (storage).
"""
