"""`ml-assets report`: the stored results as tables."""

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ml_assets.cli.database import open_database
from ml_assets.cli.options import Account, Level, parse_date, parse_levels
from ml_assets.entities import LEVELS, EntityType
from ml_assets.errors import NotReadyError, UsageError


def report(
    account: Account = None,
    date: Annotated[
        str | None, typer.Option(help="Day to report, like 2026-02-28; by default the newest judged one.")
    ] = None,
    level: Level = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="Rows per list.")] = 5,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the report as a picture (SVG).")
    ] = None,
) -> None:
    """Print what to do, then what was judged: tiers, surest winners and losers, tired creatives, overlaps.

    \b
    Examples:
      ml-assets report
      ml-assets report --account 1 --date 2026-02-28 --level ad --top 20
      ml-assets report > report.txt
    """
    levels = parse_levels(level)
    day = parse_date(date, "--date") if date else None
    print_reports(account=account, date=day, levels=levels, top=top, svg=svg)


def print_reports(
    *,
    account: str | None = None,
    date: dt.date | None = None,
    levels: Sequence[EntityType] = LEVELS,
    top: int = 5,
    svg: Path | None = None,
) -> None:
    """Print the report of every active account that `account` names, on standard output.

    Raises NotReadyError where there is no account or nothing has been judged.
    """
    from ml_assets.cli.accounts import accounts_frame, choose
    from ml_assets.cli.console import note, picture_console, rich_console, say
    from ml_assets.report import draw, read_report

    console = rich_console()
    picture = picture_console() if svg is not None else None
    with open_database() as engine, engine.connect() as connection:
        accounts = accounts_frame(connection, active_only=account is None)
        if accounts.is_empty():
            raise NotReadyError(
                "There is no account yet: `ml-assets ingest export FILE` or `ml-assets demo` makes one."
            )
        chosen = choose(accounts, account).to_dicts()
        drawn = 0
        lacking: list[NotReadyError | UsageError] = []
        for row in chosen:
            try:
                content = read_report(connection, row, date, levels)
            except (NotReadyError, UsageError) as error:
                if len(chosen) == 1:
                    raise
                lacking.append(error)
                continue
            if drawn:
                say()
            draw(content, console, top=top)
            if picture is not None:
                draw(content, picture, top=top)
            drawn += 1
    for error in lacking:
        note(str(error))
    if not drawn:
        raise NotReadyError("No account has been judged yet; `ml-assets doctor` says what is missing.")
    if svg is not None and picture is not None:
        drawing = picture.export_svg(title="ml-assets report")
        # The picture must not fetch fonts when it is looked at; any monospaced one will do.
        drawing = re.sub(r"@font-face \{.*?\}", "", drawing, flags=re.DOTALL)
        svg.write_text(drawing, encoding="utf-8")
        note(f"Picture written to {svg}.")
