"""A program that lives through days: the daemon's own code ticks all there is, time is moved by hand.

`python -m ml_assets_tests.defs.week PLAN` reads a plan (JSON) and prints what ran (JSON, the last line).
Time zone, database and DAGSTER_HOME come from the environment, as for a real daemon. Runs execute in this
process as they are launched.
"""

# ruff: noqa: TID251, T201 - the daemons have no public door; what it prints is its answer

import datetime as dt
import json
import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
import time_machine
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

from ml_assets.defs.jobs import TICK_TAG
from ml_assets.storage.engine import create_engine
from ml_assets.storage.keys import table_of
from ml_assets.storage.tables import AdsInsight

ROOT = Path(__file__).parents[2]
IN_MEMORY = {
    "run_launcher": {
        "module": "dagster._core.launcher.sync_in_memory_run_launcher",
        "class": "SyncInMemoryRunLauncher",
    },
    "run_coordinator": {
        "module": "dagster._core.run_coordinator.default_run_coordinator",
        "class": "DefaultRunCoordinator",
    },
}


@contextmanager
def daemon(home: Path) -> Iterator[WorkspaceProcessContext]:
    """An instance and the code location, as a daemon has them; each time a new one, as after a restart."""
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(
            executable_path=sys.executable,
            module_name="ml_assets.definitions",
            working_directory=str(ROOT),
        ),
        location_name="ml_assets",
    )
    with (
        dg.DagsterInstance.local_temp(str(home), overrides=IN_MEMORY) as instance,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as context,
    ):
        yield context


def start(context: WorkspaceProcessContext, skipped: set[str]) -> None:
    """Turn on the schedules and sensors, but for some."""
    location = context.create_request_context().get_code_location("ml_assets")
    (repository,) = location.get_repositories().values()
    for schedule in repository.get_schedules():
        if schedule.name not in skipped:
            context.instance.start_schedule(schedule)
    for sensor in repository.get_sensors():
        if sensor.name not in skipped:
            context.instance.start_sensor(sensor)


def look(context: WorkspaceProcessContext, moment: dt.datetime) -> None:
    """One round of the scheduler and of the sensors; their runs end within it."""
    logger = logging.getLogger("week")
    with ThreadPoolExecutor(1) as pool:  # as the daemon does, but one at a time
        for found in launch_scheduled_runs(context, logger, moment, {}):
            assert not found or not hasattr(found, "message"), found
        for found in execute_sensor_iteration(context, logger, None, None):
            assert not found or not hasattr(found, "message"), found
        pool.shutdown()


def carry_out(happening: dict[str, Any], engine: sa.Engine, moment: dt.datetime) -> None:
    """What happens in the world: `break` and `mend` the database for runs, `restate` a day."""
    with engine.begin() as connection:
        match happening["what"]:
            case "break":
                connection.execute(sa.text("update alembic_version set version_num = 'x' || version_num"))
            case "mend":
                connection.execute(sa.text("update alembic_version set version_num = substr(version_num, 2)"))
            case "restate":
                table = table_of(AdsInsight)
                day = dt.date.fromisoformat(happening["date"])
                rows = connection.execute(sa.select(table).where(table.c.date == day)).mappings().all()
                restated = [
                    {**row, "known_at": moment, "spend": (row["spend"] or 0.0) * 1.5 + 1.0} for row in rows
                ]
                connection.execute(sa.insert(table), list({_key(row): row for row in restated}.values()))


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("config_id", "entity_type", "entity_id", "window_days"))


def main(plan: dict[str, Any]) -> dict[str, Any]:
    """Live from `start` to `end`, with a look every `minutes`; answers with every run."""
    home = Path(plan["home"])
    moment, end = (dt.datetime.fromisoformat(plan[name]) for name in ("start", "end"))
    happenings = sorted(plan.get("happenings", []), key=lambda item: item["at"])
    restarts = sorted(plan.get("restarts", []))
    engine = create_engine()
    reasons: dict[str, str] = {}
    is_started = False
    while moment < end:
        with daemon(home) as context:
            until = min(
                (dt.datetime.fromisoformat(at) for at in restarts if at > moment.isoformat()), default=end
            )
            while moment < min(until, end):
                with time_machine.travel(moment, tick=True):
                    if not is_started:
                        start(context, set(plan.get("skipped", ())))
                        is_started = True
                    while happenings and happenings[0]["at"] <= moment.isoformat():
                        carry_out(happenings.pop(0), engine, moment)
                    look(context, moment)
                    reasons |= _reasons(context, moment)
                moment += dt.timedelta(minutes=plan["minutes"])
    with daemon(home) as context:
        runs = [
            {
                "job": record.dagster_run.job_name,
                "tick": record.dagster_run.tags.get(TICK_TAG),
                "partition": record.dagster_run.tags.get("dagster/partition")
                or [
                    record.dagster_run.tags.get(f"dagster/asset_partition_range_{end}")
                    for end in ("start", "end")
                ],
                "assets": sorted(key.to_user_string() for key in record.dagster_run.asset_selection or ()),
                "status": record.dagster_run.status.value,
                "began": record.start_time,
                "ended": record.end_time,
            }
            for record in context.instance.get_run_records(ascending=True)
        ]
    engine.dispose()
    return {"runs": runs, "reasons": reasons}


def _reasons(context: WorkspaceProcessContext, moment: dt.datetime) -> dict[str, str]:
    """What the sensor of late ticks said last."""
    location = context.create_request_context().get_code_location("ml_assets")
    (repository,) = location.get_repositories().values()
    sensor = repository.get_sensor("late_ticks")
    ticks = context.instance.get_ticks(sensor.get_remote_origin_id(), sensor.selector_id, limit=1)
    said = ticks[0].skip_reason if ticks else None
    return {moment.isoformat(): said} if said and "waits" in said else {}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
