"""`ml-assets replay`: past dates decided again as of what was known then, under one policy or two."""

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_assets.cli.console import note, rich_console, say
from ml_assets.cli.database import open_database
from ml_assets.cli.options import Account, Level, parse_levels, parse_range
from ml_assets.entities import EntityType
from ml_assets.errors import DayNotOverError, NotReadyError, UsageError

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

    from ml_assets.cli.past import Past
    from ml_assets.recommendations.inputs import DecisionInputs
    from ml_assets.recommendations.policy import Policy
    from ml_assets.report.replay import ReplayReport, Truth

MOST_POLICIES = 2

IN_FORCE = "in force"


def replay(
    start: Annotated[str, typer.Option("--from", help="First date to decide, like 2026-02-01.")],
    end: Annotated[str, typer.Option("--to", help="Last date, included; or `yesterday`.")],
    policy: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Thresholds to try (JSON or TOML), against those in force; given twice: against each other.",
        ),
    ] = None,
    account: Account = None,
    level: Level = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="Recommendations that differ, per account.")] = 10,
    current_figures: Annotated[
        bool,
        typer.Option(
            "--current-figures",
            help="Use the figures as they stand now, for accounts that were not read every day.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with everything in it.")] = False,
) -> None:
    """Decide past dates again and compare what two policies would have recommended. Nothing is written.

    Every date is decided on what was known on the morning after it: figures, entities and what people did,
    as read until noon of the next day in the account's time zone. Without --policy the policy in force is
    reported on alone. On synthetic accounts advice is judged by the truth.

    \b
    Examples:
      ml-assets replay --from 2026-02-01 --to 2026-02-28
      ml-assets replay --from 2026-02-01 --to 2026-02-28 --policy cautious.toml
      ml-assets replay --from 2026-02-01 --to 2026-02-28 --policy a.json --policy b.json --level ad --json
    """
    first, last = parse_range(start, end)
    levels = parse_levels(level)
    candidates = _load_policies(policy or [])
    reports: list[ReplayReport] = []
    with open_database() as engine, engine.connect() as connection:
        for row in _accounts(connection, account):
            _require_over(row, last)
            sides = _sides(connection, row["config_id"], candidates)
            reports.append(
                _replay_account(connection, row, first, last, levels, sides, current=current_figures)
            )
    _print(reports, top=top, as_json=as_json)


def _load_policies(files: Sequence[Path]) -> "list[tuple[str, Policy]]":
    """Name and policy of each file. Raises UsageError for more than two, or the same file twice."""
    from ml_assets.cli.policy import load_policy_file

    if len(files) > MOST_POLICIES:
        raise UsageError(f"--policy is given at most twice, not {len(files)} times.")
    if len({file.resolve() for file in files}) < len(files):
        raise UsageError(f"--policy names the same file twice ({files[0]}); give two different ones.")
    same_stem = len({file.stem for file in files}) < len(files)
    return [(str(file) if same_stem else file.stem, load_policy_file(file)) for file in files]


def _accounts(connection: "sa.Connection", wanted: str | None) -> list[dict[str, Any]]:
    from ml_assets.cli.accounts import accounts_frame, choose

    accounts = accounts_frame(connection, active_only=wanted is None)
    if accounts.is_empty():
        raise NotReadyError(
            "There is no account yet: `ml-assets ingest export FILE` or `ml-assets demo` makes one."
        )
    return choose(accounts, wanted).to_dicts()


def _require_over(account: dict[str, Any], last: dt.date) -> None:
    from zoneinfo import ZoneInfo

    today = dt.datetime.now(ZoneInfo(account["timezone"] or "UTC")).date()
    if last >= today:
        raise DayNotOverError(
            f"{last} is not over yet for {account['name'] or account['account_id']}; the last day that can "
            f"be replayed is {today - dt.timedelta(days=1)}."
        )


def _sides(
    connection: "sa.Connection", config_id: int, candidates: "Sequence[tuple[str, Policy]]"
) -> "list[tuple[str, Policy]]":
    """The policies to replay: the one in force unless two files were given."""
    from ml_assets.storage.policies import read_policies

    if len(candidates) == MOST_POLICIES:
        return list(candidates)
    return [(IN_FORCE, read_policies(connection, [config_id])[config_id]), *candidates]


def _replay_account(
    connection: "sa.Connection",
    account: dict[str, Any],
    first: dt.date,
    last: dt.date,
    levels: Sequence[EntityType],
    policies: "Sequence[tuple[str, Policy]]",
    *,
    current: bool,
) -> "ReplayReport":
    """Decide every date of the range under every policy. Raises NotReadyError where nothing was known."""
    import polars as pl

    from ml_assets.cli.past import read_past
    from ml_assets.recommendations.decide import decide
    from ml_assets.report.replay import ReplayReport, differing_of, make_side

    note(f"Reading {account['name'] or account['account_id']} ...")
    past = read_past(connection, first, last, account["config_id"])
    days = [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
    source = _known_truth(account)
    dates: list[dt.date] = []
    left_out: list[dt.date] = []
    targets: list[pl.DataFrame] = []
    decided: list[list[pl.DataFrame]] = [[] for _ in policies]
    with _progress(len(days)) as advance:
        for looked_at, known, inputs in past.batches(days, current_figures=current):
            dates += known
            left_out += [day for day in looked_at if day not in known]
            if known:
                for rows, (_, policy) in zip(decided, policies, strict=True):
                    rows.extend(
                        past.own_rows(decide(inputs, level, known, policy), "recommendation_date")
                        for level in levels
                    )
                if source is not None:
                    targets.append(past.own_rows(_targets(inputs, known), "date"))
            advance(len(looked_at))
    if not dates:
        raise _nothing_known(past, account, first, last, current=current)
    truth = None if source is None else _truth(source, past, dates, levels, targets)
    sides = tuple(
        make_side(name, policy, pl.concat(rows), dates, truth)
        for rows, (name, policy) in zip(decided, policies, strict=True)
    )
    differing = differing_of(sides, past.history.entities)
    return ReplayReport(account, dates, left_out, current, sides, differing)


def _known_truth(account: dict[str, Any]) -> "pl.DataFrame | None":
    """The true days of a synthetic account; None for any other."""
    from ml_assets.sources.registry import source_of

    if not account["source"] or json.loads(account["source"]).get("kind") != "synthetic":
        return None
    from ml_assets.sources.synthetic import SyntheticSource

    source = source_of(account["source"])
    return source.truth.days if isinstance(source, SyntheticSource) else None


def _targets(inputs: "DecisionInputs", dates: Sequence[dt.date]) -> "pl.DataFrame":
    """config_id, campaign_id, date, target_cpl as of the dates; null where leads are not the goal."""
    import numpy as np
    import polars as pl

    from ml_assets.features.estimates import estimate

    own = estimate(inputs.figures, EntityType.CAMPAIGN, dates).levels[EntityType.CAMPAIGN]
    target = np.where(own.seeks_leads[:, None], own.target, np.nan)
    return (
        own.level.keys.select("config_id", campaign_id="entity_id")
        .join(pl.DataFrame({"date": list(dates)}), how="cross", maintain_order="left_right")
        .with_columns(target_cpl=pl.Series(target.ravel()).fill_nan(None))
    )


def _truth(
    days: "pl.DataFrame",
    past: "Past",
    dates: Sequence[dt.date],
    levels: Sequence[EntityType],
    targets: "Sequence[pl.DataFrame]",
) -> "Truth":
    """The truth of the levels that are replayed: about the others nothing could have been said."""
    import polars as pl

    from ml_assets.recommendations.regret import true_rates
    from ml_assets.report.replay import Truth

    asked = days.filter(pl.col("entity_type").is_in([level.value for level in levels]))
    return Truth(true_rates(asked, past.history.entities, dates), pl.concat(targets))


def _nothing_known(
    past: "Past", account: dict[str, Any], first: dt.date, last: dt.date, *, current: bool
) -> NotReadyError:
    """Why no date of the range can be decided, and what to do."""
    import polars as pl

    name = account["name"] or account["account_id"]
    read = past.history.insights.filter(pl.col("date").is_between(first, last))
    if read.is_empty() or current:
        return NotReadyError(
            f"{name} has no figures of {first} to {last}; `ml-assets accounts list` and `ml-assets doctor` "
            "say how far its figures reach."
        )
    return NotReadyError(
        f"On no morning after {first} to {last} were the figures of {name} known: they were read "
        f"{read['known_at'].min():%Y-%m-%d} or later. Add --current-figures to decide on the figures as "
        "they stand now."
    )


@contextmanager
def _progress(days: int) -> "Iterator[Callable[[int], None]]":
    """A function that moves a bar on standard error by some dates; a line where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    console = rich_console(sys.stderr)
    if console.is_terminal:
        columns = ("Deciding", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=days)
            yield lambda dates: bar.advance(task, dates)
        return
    done = 0

    def advance(dates: int) -> None:
        nonlocal done
        done += dates
        note(f"{done} of {days} dates decided")

    yield advance


def _print(reports: "Sequence[ReplayReport]", *, top: int, as_json: bool) -> None:
    from ml_assets.report.replay import as_document, draw

    if as_json:
        say(
            json.dumps(
                {"accounts": [as_document(report) for report in reports]}, ensure_ascii=False, indent=2
            )
        )
        return
    console = rich_console()
    for number, report in enumerate(reports):
        if number:
            say()
        draw(report, console, top=top)
