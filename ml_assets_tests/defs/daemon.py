"""Drives backfills through the code of Dagster's own daemons, with the real code location and real runs."""

# ruff: noqa: TID251 - the daemons have no public door

import datetime as dt
import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.definitions.automation_tick_evaluation_context import (
    build_run_requests_with_backfill_policies,
)
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.instance import DagsterInstance
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from ml_assets.defs.partitions import partitions

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
"""The backfill daemon ticks every 30 seconds, seldom while a run records; here it ticks between runs."""

ROOT = Path(__file__).parents[2]


@contextmanager
def waiting_instance(home: Path) -> Iterator[DagsterInstance]:
    """An instance on files in `home` that waits for the code servers it stops.

    Otherwise one outlives its test, and the test that happens to collect it is told of a leak.
    """
    overrides = {"code_servers": {"wait_for_local_processes_on_shutdown": True}}
    with DagsterInstance.local_temp(str(home), overrides=overrides) as instance:
        yield instance


@contextmanager
def served(module: str, instance: DagsterInstance) -> Iterator[WorkspaceProcessContext]:
    """A workspace whose code location is served by a process of its own, as under `dagster dev`."""
    target = ModuleTarget(
        module_name=module, attribute=None, working_directory=str(ROOT), location_name="ml_assets"
    )
    with create_test_daemon_workspace_context(target, instance) as context:
        yield context


def request(
    context: WorkspaceProcessContext, assets: Sequence[str], partition_keys: Sequence[str]
) -> PartitionBackfill:
    """What the UI's backfill dialog asks for."""
    return PartitionBackfill.from_asset_partitions(
        backfill_id=uuid.uuid4().hex[:8],
        asset_graph=context.create_request_context().asset_graph,
        partition_names=list(partition_keys),
        asset_selection=[dg.AssetKey(name) for name in assets],
        backfill_timestamp=dt.datetime.now(dt.UTC).timestamp(),
        tags={},
        dynamic_partitions_store=context.instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )


def targeted(
    context: WorkspaceProcessContext, assets: Sequence[str], partition_keys: Sequence[str]
) -> dict[str, set[str]]:
    """The partitions of each asset that such a backfill would run."""
    data = request(context, assets, partition_keys).asset_backfill_data
    assert data is not None
    return {
        name: {
            str(found.partition_key)
            for found in data.target_subset.iterate_asset_partitions()
            if found.asset_key == dg.AssetKey(name)
        }
        for name in assets
    }


def backfill(
    context: WorkspaceProcessContext,
    assets: Sequence[str],
    partition_keys: Sequence[str],
    timeout: float = 480.0,
) -> PartitionBackfill:
    """Request a backfill as the UI does, and tick the daemons until it ends; returns it as it ended."""
    instance = context.instance
    requested = request(context, assets, partition_keys)
    instance.add_backfill(requested)
    queue = QueuedRunCoordinatorDaemon(interval_seconds=1)
    logger = logging.getLogger("backfill")
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if not instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED)):
            errors = [error for error in execute_backfill_iteration(context, logger) if error]
            assert not errors, errors
        assert not [error for error in queue.run_iteration(context) if error]
        now = instance.get_backfill(requested.backfill_id)
        assert now is not None
        if now.status != BulkActionStatus.REQUESTED:
            return now
        time.sleep(0.2)
    raise AssertionError(f"the backfill did not end within {timeout} s")


def planned_runs(context: WorkspaceProcessContext, asset: str, partition_keys: Sequence[str]) -> int:
    """How many runs the daemon would make of these partitions of an asset, were all they need there."""
    key = dg.AssetKey(asset)
    return len(
        build_run_requests_with_backfill_policies(
            [AssetKeyPartitionKey(key, partition) for partition in partition_keys],
            context.create_request_context().asset_graph,
            dynamic_partitions_store=context.instance,
        )
    )


def too_early(instance: DagsterInstance, upstream: str, downstream: dg.AssetsDefinition) -> set[str]:
    """Partitions of `downstream` whose run began before all they need of `upstream` was materialized."""
    made = {record.partition_key: record.timestamp for record in materializations(instance, upstream)}
    began = {record.dagster_run.run_id: record.start_time for record in instance.get_run_records()}
    mapping = downstream.get_partition_mapping(dg.AssetKey(upstream))
    assert mapping is not None
    found = set()
    for record in materializations(instance, downstream.key.to_user_string()):
        needed = mapping.get_upstream_mapped_partitions_result_for_partitions(
            partitions.subset_with_partition_keys([str(record.partition_key)]), partitions, partitions
        ).partitions_subset.get_partition_keys()
        start = began[record.run_id]
        if start is None or any(made[key] > start for key in needed if key in made):
            found.add(str(record.partition_key))
    return found


def materializations(instance: DagsterInstance, asset: str) -> list[dg.EventLogRecord]:
    return list(instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records)
