"""`ml-assets run`: a range of days through Dagster, in this process."""

import datetime as dt
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ml_assets.cli.console import note, rich_console, say
from ml_assets.cli.database import open_database
from ml_assets.cli.options import Level, parse_levels, parse_range, split
from ml_assets.entities import EntityType
from ml_assets.errors import UsageError

if TYPE_CHECKING:
    from ml_assets.defs.backfill import Progress, RunSummary


def run(
    start: Annotated[str, typer.Option("--from", help="First day, like 2026-02-01, or `yesterday`.")],
    end: Annotated[str, typer.Option("--to", help="Last day, included.")],
    level: Level = None,
    assets: Annotated[
        list[str] | None,
        typer.Option("--assets", metavar="A,B", help="Assets by name, as in the UI; by default all."),
    ] = None,
) -> None:
    """Materialize a range of days through Dagster, in this process, on the instance of DAGSTER_HOME.

    Repeating a range leaves the same rows. The runs show in the UI (`ml-assets dev`).

    \b
    Examples:
      ml-assets run --from 2026-02-01 --to 2026-02-28
      ml-assets run --from yesterday --to yesterday --level campaign --level adset
      ml-assets run --from 2026-02-01 --to 2026-02-28 --assets features,classifications
    """
    first, last = parse_range(start, end)
    run_days(first, last, levels=parse_levels(level), assets=split(assets) or None)


def run_days(
    first: dt.date, last: dt.date, *, levels: Sequence[EntityType], assets: Sequence[str] | None = None
) -> None:
    """Run the days with a progress bar on standard error and print what it took.

    Raises UsageError for a day outside the partitions and what `run_range` raises.
    """
    from ml_assets.settings import settings

    if first < settings().first_date:
        raise UsageError(
            f"Partitions begin on {settings().first_date}; give a later --from, or set "
            "ML_ASSETS_START_DATE to an earlier day."
        )
    with open_database():
        pass
    began = time.monotonic()
    note(f"Judging {first} to {last} through Dagster ...")
    # Dagster calls what the levels rest on beta, in many lines that help no user of this command.
    import dagster as dg

    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    from ml_assets.defs.backfill import ASSET_NAMES, run_range
    from ml_assets.defs.instance import open_instance

    loaded = time.monotonic()
    with open_instance() as instance, _bar() as move:
        summary = run_range(first, last, levels, tuple(assets or ASSET_NAMES), move, instance=instance)
    say(_in_words(summary, loaded - began))


@contextmanager
def _bar() -> Iterator["Callable[[Progress], None]"]:
    """A function that moves a progress bar on standard error; a line per asset where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = rich_console(sys.stderr)
    if not console.is_terminal:
        seen: set[str] = set()

        def line(step: "Progress") -> None:
            if step.asset not in seen:
                seen.add(step.asset)
                note(f"{step.asset} ...")

        yield line
        return
    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def move(step: "Progress") -> None:
            bar.update(task, completed=step.done, total=step.total, description=step.asset)

        yield move


def _in_words(summary: "RunSummary", import_seconds: float) -> str:
    """What was made and where the time went."""
    made = ", ".join(f"{count:,} of {asset}" for asset, count in summary.materialized.items())
    computing = summary.seconds_computing
    times = ", ".join(f"{asset} {seconds:.1f}" for asset, seconds in computing.items())
    dagster = summary.seconds - sum(computing.values())
    return (
        f"Partitions made in {len(summary.run_ids)} runs: {made}.\n"
        f"{summary.seconds + import_seconds:.1f} s: {times}, Dagster's own {dagster:.1f}, "
        f"imports {import_seconds:.1f}."
    )
