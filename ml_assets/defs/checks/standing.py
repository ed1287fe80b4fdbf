"""Which partitions have a failed blocking check that still stands: read by runs that refuse, and schedules.

Where a run has several partitions, Dagster plans a check for each of them but records the one result of the
run without a partition; `ml_assets.defs.checks.evaluations` therefore records failures per partition.
"""

from collections.abc import Sequence

import dagster as dg

from ml_assets.checks.verdicts import BLOCKING

_MOST_EVALUATIONS = 2_000
"""Evaluations of a check that are looked through for a sentence, newest first."""

_UNTOLD = "it says no more in the UI."


def failed_blocking_checks(
    instance: dg.DagsterInstance,
    asset_key: dg.AssetKey,
    partition_keys: Sequence[str],
    checks: Sequence[str] | None = None,
) -> list[tuple[str, str, str]]:
    """(partition key, check name, sentence) of the blocking checks of an asset that failed and still stand.

    A failure stands until its partition is materialized again, or the check itself passes. `checks` None: all
    blocking checks of the asset (`BLOCKING`); none of an asset without any. Sorted by partition, in the order
    of `checks`. A few queries per check, whatever the number of partitions.
    """
    names = BLOCKING.get(asset_key.to_user_string(), ()) if checks is None else tuple(checks)
    keys = [dg.AssetCheckKey(asset_key, name) for name in names]
    wanted = sorted({str(key) for key in partition_keys})
    if not keys or not wanted:
        return []
    failed: dict[dg.AssetCheckKey, set[str]] = {key: set() for key in keys}
    unsure: dict[dg.AssetCheckKey, set[str]] = {key: set() for key in keys}
    statuses: set[object] = set()
    for info in instance.event_log_storage.get_asset_check_partition_info(keys, partition_keys=wanted):
        said, made = info.latest_check_event_storage_id or 0, info.latest_materialization_storage_id or 0
        partition, status = info.partition_key, info.latest_execution_status
        statuses |= {each for each in type(status) if each.value != "PLANNED"}
        if partition is None or said < made:
            continue
        # Only planned: the run is not there yet, ended before its checks, or had several partitions that
        # passed. What was said before it stands unless the partition was materialized since.
        {"FAILED": failed, "PLANNED": unsure}.get(status.value, {key: set() for key in keys})[
            info.check_key
        ].add(partition)
    found: list[tuple[str, int, str, str]] = []
    for order, key in enumerate(keys):
        if failed[key] or unsure[key]:
            sentences = _said_last(instance, key, failed[key], unsure[key], statuses)
            found += [(partition, order, key.name, text) for partition, text in sentences.items()]
    return [(partition, name, text) for partition, _, name, text in sorted(found)]


def _said_last(
    instance: dg.DagsterInstance,
    key: dg.AssetCheckKey,
    failed: set[str],
    unsure: set[str],
    statuses: set[object],
) -> dict[str, str]:
    """Partition -> sentence of those that failed, and of the unsure ones whose last evaluation failed."""
    found = dict.fromkeys(failed, _UNTOLD)
    left = failed | unsure
    for record in instance.event_log_storage.get_asset_check_execution_history(
        key,
        limit=_MOST_EVALUATIONS,
        status=statuses,  # pyright: ignore[reportArgumentType] - a type that Dagster does not export
    ):
        evaluation, partition = record.evaluation, record.partition
        if evaluation is None or partition not in left:
            continue
        left.discard(partition)
        if evaluation.passed:
            continue
        if partition in failed or _stands(instance, key, partition, record.event.timestamp):  # pyright: ignore[reportOptionalMemberAccess] - an evaluation is read out of an event
            found[partition] = evaluation.description or _UNTOLD
        if not left:
            break
    return found


def _stands(instance: dg.DagsterInstance, key: dg.AssetCheckKey, partition: str, said_at: float) -> bool:
    """Whether the partition was not materialized after that moment."""
    newest = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key.asset_key, asset_partitions=[partition]), limit=1
    ).records
    return not newest or newest[0].timestamp <= said_at
