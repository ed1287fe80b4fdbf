"""Where the time of a backfill goes: computing, Dagster's recording, and the rest, at 1x and more accounts.

    python -m benchmarks.backfill              # the demo account, 30 days x 3 levels x all assets
    python -m benchmarks.backfill 1 10 100     # accounts of 1, 10 and 100 times its campaigns, adsets, ads

The account's history is in the database before the clock starts, as in `ml-assets demo`. Start-up (imports)
is measured in this process and included in the total.
"""

import datetime as dt
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

BEGAN = time.monotonic()

from ml_assets.defs.backfill import RunSummary, run_range  # noqa: E402 - after the clock has started
from ml_assets.entities import LEVELS  # noqa: E402
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource  # noqa: E402
from ml_assets.storage.accounts import add_account  # noqa: E402
from ml_assets.storage.engine import create_engine  # noqa: E402
from ml_assets.storage.schema import upgrade  # noqa: E402
from ml_assets.storage.writes import store_delivery  # noqa: E402

IMPORT_SECONDS = time.monotonic() - BEGAN
DAYS = 30


def load(url: str, factor: int) -> dt.date:
    """Store the history of an account of `factor` times the demo's size; returns its last day."""
    demo = SyntheticConfig(seed=7)
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=2)
    config = replace(
        demo,
        end=yesterday,
        campaigns=demo.campaigns * factor,
        adsets=demo.adsets * factor,
        ads=demo.ads * factor,
    )
    source = SyntheticSource(config)
    known_at = source.last_sync
    figures = source.insights(LEVELS, source.config.first_day, yesterday, known_at)
    delivery = replace(source.entities(known_at), insights=figures.insights)
    engine = create_engine(url)
    upgrade(engine)
    with engine.begin() as connection:
        config_id = add_account(connection, source.account())
        store_delivery(connection, config_id, delivery, known_at)
    engine.dispose()
    print(f"{factor}x: {figures.insights.height:,} versions of insights")
    return yesterday


def measure(factor: int) -> RunSummary:
    """A backfill of the last `DAYS` days on a fresh database and instance."""
    import dagster as dg  # noqa: PLC0415 - imported above already

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/ml_assets.db"
        end = load(url, factor)
        home = Path(folder) / "dagster"
        home.mkdir()
        with dg.DagsterInstance.local_temp(str(home)) as instance:
            return run_range(end - dt.timedelta(days=DAYS - 1), end, instance=instance, database_url=url)


def main() -> None:
    """Print a line per size and asset."""
    for factor in [int(argument) for argument in sys.argv[1:]] or [1]:
        done = measure(factor)
        computing, recording = sum(done.seconds_computing.values()), sum(done.seconds_recording.values())
        rest = done.seconds - computing - recording
        print(f"{'asset':16} {'partitions':>10} {'computing s':>12} {'recording s':>12}")
        for asset, count in done.materialized.items():
            print(
                f"{asset:16} {count:10} {done.seconds_computing[asset]:12.2f} "
                f"{done.seconds_recording.get(asset, 0.0):12.2f}"
            )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{len(done.run_ids)} runs, {done.seconds + IMPORT_SECONDS:.1f} s: imports {IMPORT_SECONDS:.1f}, "
            f"computing {computing:.1f}, recording {recording:.1f}, planning and starting runs {rest:.1f}; "
            f"peak {peak:.0f} MB\n"
        )


if __name__ == "__main__":
    main()
