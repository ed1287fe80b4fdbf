"""`ml-assets pacing`: the month to date, where it lands, and the budget.

How it is drawn is in `ml_assets.report.pacing`.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ml_assets.cli.console import note, rich_console, say
from ml_assets.cli.database import open_database
from ml_assets.cli.forecast import WHOLE_ACCOUNT, read_chosen_accounts
from ml_assets.cli.options import Account, parse_date, split
from ml_assets.entities import LEVELS
from ml_assets.errors import NotReadyError, UsageError


def pacing(
    account: Account = None,
    level: Annotated[
        list[str] | None,
        typer.Option(
            "--level",
            help="account, campaign, adset or ad; may be repeated. By default account and campaign.",
        ),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(help="Last day that is known, like 2026-02-28; by default the newest one that is over."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with everything in it.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with everything in it.")] = False,
) -> None:
    """Say where the month stands and where it ends: spend and leads against the budget, with intervals.

    Leads of the last days count as they will be when the late ones are in. Nothing is stored.

    \b
    Examples:
      ml-assets pacing
      ml-assets pacing --account "Clinic" --level campaign
      ml-assets pacing --date 2026-02-20 --csv > february.csv
    """
    import polars as pl

    from ml_assets.report.current import read_pacing
    from ml_assets.report.pacing import as_documents, draw_pacing

    if as_json and as_csv:
        raise UsageError("Give --json or --csv, not both.")
    steps = _steps(level)
    day = parse_date(date, "--date") if date else None
    parts: list[tuple[dict[str, Any], pl.DataFrame]] = []
    lacking: list[NotReadyError] = []
    with open_database() as engine, engine.connect() as connection:
        accounts = read_chosen_accounts(connection, account)
        for own in accounts.iter_slices(1):
            row = own.row(0, named=True)
            try:
                parts.append((row, read_pacing(connection, own, day, steps)))
            except NotReadyError as error:
                if accounts.height == 1:
                    raise
                lacking.append(error)
    for error in lacking:
        note(str(error))
    if not parts:
        raise NotReadyError("No account has figures to pace; `ml-assets doctor` says what is missing.")
    rows = pl.concat([part for _, part in parts])
    if as_json:
        say(json.dumps(as_documents(rows), ensure_ascii=False, indent=2))
    elif as_csv:
        say(rows.write_csv().rstrip("\n"))
    else:
        console = rich_console()
        for number, (row, part) in enumerate(parts):
            if number:
                say()
            draw_pacing(part, row, console)


def _steps(values: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the steps asked for, from the top down. Raises UsageError for another word."""
    known = (WHOLE_ACCOUNT, *(level.value for level in LEVELS))
    wanted = [value.casefold().removesuffix("s") for value in split(values)]
    unknown = [value for value in wanted if value not in known]
    if unknown:
        raise UsageError(f"--level is {', '.join(known)}, not {', '.join(map(repr, unknown))}.")
    return tuple(step for step in known if step in (wanted or known[:2]))
