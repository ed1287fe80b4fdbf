"""`ml-assets incidents`: what is out of the ordinary, why, and what people say of it.

How incidents are drawn is in `ml_assets.report.incidents` and `ml_assets.report.incident_plot`.
"""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_assets.cli.console import group, note, rich_console, say
from ml_assets.cli.database import open_database
from ml_assets.cli.options import Account, By, Level, parse_levels, person, split
from ml_assets.errors import NotReadyError, UsageError

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

    from ml_assets.storage.anomalies import Incident

app = group("What is out of the ordinary: list it, see where it comes from, say what it was.")

DOCUMENTS = ("attribution",)

Id = Annotated[
    str, typer.Argument(metavar="ID", help="The id that `list` shows, or the first digits of a longer one.")
]
Notes = Annotated[str | None, typer.Option(help="A note for the record.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON with everything in it.")]


# ------------------------------------------------------------------------------------------ list


@app.command("list")
def list_incidents(
    account: Account = None,
    level: Level = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="KIND", help="Such as CPM_SPIKE; may be repeated.")
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(metavar="STATUS", help="open (the default), closed or superseded; may be repeated."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those below the fold and those that were answered.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="Incidents per account.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the incidents that are open, most pressing first: what happened, since when, how much money.

    \b
    Examples:
      ml-assets incidents list
      ml-assets incidents list --account "Clinic" --level campaign --all
      ml-assets incidents list --status closed
    """
    from ml_assets.anomalies.frames import STATUSES, TYPES

    kinds = _words(kind, "--kind", TYPES, str.upper)
    statuses = _words(status, "--status", STATUSES, str.lower) or ["open"]
    rows, accounts = _read(account, statuses)
    rows = rows.filter(_of(parse_levels(level), kinds, everything=everything))
    if as_json:
        say(json.dumps([_document(row) for row in rows.to_dicts()], ensure_ascii=False, indent=2))
        return
    _draw(rows, accounts, statuses, top, hint="" if everything else " `--all` looks below the fold, too.")


def _read(account: str | None, statuses: Sequence[str]) -> "tuple[pl.DataFrame, pl.DataFrame]":
    from ml_assets.cli.accounts import accounts_frame, choose
    from ml_assets.storage.incidents import read_incidents

    with open_database() as engine, engine.connect() as connection:
        accounts = accounts_frame(connection, active_only=account is None)
        if accounts.is_empty():
            raise NotReadyError(
                "There is no account yet: `ml-assets ingest export FILE` or `ml-assets demo` makes one."
            )
        chosen = choose(accounts, account)
        return read_incidents(connection, chosen["config_id"].to_list(), statuses=statuses), chosen


def _of(levels: Sequence[str], kinds: Sequence[str], *, everything: bool) -> "pl.Expr":
    """Rooted at one of the levels or the account, of one of the kinds, and worth telling."""
    import polars as pl

    from ml_assets.anomalies.frames import ACCOUNT
    from ml_assets.entities import LEVELS
    from ml_assets.report.incidents import NOT_NEWS

    roots = [*map(str, levels), *([ACCOUNT] if len(levels) == len(LEVELS) else [])]
    wanted = pl.col("entity_type").is_in(roots)
    if kinds:
        wanted &= pl.col("kind").is_in(list(kinds))
    if not everything:
        wanted &= pl.col("is_issued") & ~pl.col("feedback").is_in(NOT_NEWS).fill_null(value=False)
    return wanted


def _draw(
    rows: "pl.DataFrame", accounts: "pl.DataFrame", statuses: Sequence[str], top: int, hint: str
) -> None:
    """Print the rows account by account, on standard output; what is missing on standard error."""
    import polars as pl
    from rich.text import Text

    from ml_assets.report import text
    from ml_assets.report.incidents import draw_incidents

    console = rich_console()
    drawn = 0
    for account in accounts.to_dicts():
        own = rows.filter(pl.col("config_id") == account["config_id"])
        name = text.clean(account["name"], account["account_id"])
        if own.is_empty():
            note(f"{name}: no incident is {' or '.join(statuses)}.{hint}")
            continue
        if drawn:
            say()
        looked = own["evaluated_date"].max()
        console.print(Text(f"{name}: incidents, {' or '.join(statuses)}, as of {looked}", "bold"))
        draw_incidents(own.head(top), console)
        if own.height > top:
            note(f"{own.height - top} more; --top {own.height} shows them.")
        drawn += 1


def _words(
    values: Sequence[str] | None, option: str, known: Sequence[str], spelled: Callable[[str], str]
) -> list[str]:
    """Values of an option in the spelling of `known`. Raises UsageError for another word."""
    wanted = [spelled(value.replace("-", "_").replace(" ", "_")) for value in split(values)]
    unknown = [value for value in wanted if value not in known]
    if unknown:
        raise UsageError(f"{option} is one of {', '.join(known)}, not {', '.join(unknown)}.")
    return wanted


def _document(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can hold it: documents as objects, times in ISO 8601."""

    def plain(name: str, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, dt.date):
            return value.isoformat()
        return json.loads(value) if name in DOCUMENTS and value else value

    return {name: plain(name, value) for name, value in row.items()}


# ------------------------------------------------------------------------------------------ show


@app.command("show")
def show(
    incident: Id,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the plot of its series as a picture.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="Anomalies of its last day.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show one incident: the sentence, what it comes from, and the anomalies of its last day.

    \b
    Examples:
      ml-assets incidents show 1f3a9c02
      ml-assets incidents show 1f3a9c02 --png incident.png
    """
    import polars as pl

    from ml_assets.report.incident_tables import draw_incident
    from ml_assets.storage.incidents import read_incident, read_incident_anomalies
    from ml_assets.storage.reads import read_accounts, read_entities

    with open_database() as engine, engine.connect() as connection:
        row = read_incident(connection, incident)
        anomalies = read_incident_anomalies(connection, [row["incident_id"]])
        names = read_entities(connection, config_ids=[row["config_id"]])
        account = read_accounts(connection, [row["config_id"]], active_only=False).row(0, named=True)
    if png is not None:
        from ml_assets.report.incident_plot import incident_plot_png
        from ml_assets.settings import settings

        png.write_bytes(incident_plot_png(row, settings().language))
        note(f"Picture written to {png}.")
    if as_json:
        parts = [_document(anomaly) for anomaly in anomalies.to_dicts()]
        say(json.dumps({**_document(row), "anomalies": parts}, ensure_ascii=False, indent=2))
        return
    last_day = anomalies.filter(pl.col("anomaly_date") == pl.col("anomaly_date").max())
    draw_incident(row, last_day, names, account, rich_console(), top=top)


# ---------------------------------------------------------------------------------------- actions


@app.command("acknowledge")
def acknowledge(incident: Id, by: By = None, notes: Notes = None) -> None:
    """Say that somebody has seen it and takes care of it.

    \b
    Example:
      ml-assets incidents acknowledge 1f3a9c02 --notes "asked the agency"
    """
    from ml_assets.storage.anomalies import acknowledge_incident

    _act(lambda connection: acknowledge_incident(connection, incident, person(by), notes))


@app.command("feedback")
def feedback(
    incident: Id,
    answer: Annotated[
        str,
        typer.Argument(
            metavar="ANSWER",
            help="CONFIRMED: it was one. EXPECTED: we knew. FALSE_ALARM: it was none. NEW_NORMAL: it will "
            "stay like that.",
        ),
    ],
    by: By = None,
    notes: Notes = None,
) -> None:
    """Say what it was. What is expected, false or the new normal is learnt and not raised again as it is.

    \b
    Examples:
      ml-assets incidents feedback 1f3a9c02 confirmed
      ml-assets incidents feedback 1f3a9c02 expected --notes "sale of the week"
    """
    from ml_assets.anomalies.frames import FEEDBACK
    from ml_assets.storage.anomalies import give_feedback

    words = _words([answer], "ANSWER", FEEDBACK, str.upper)
    if len(words) != 1:
        raise UsageError(f"Give one answer: {', '.join(FEEDBACK)}.")

    _act(lambda connection: give_feedback(connection, incident, words[0], person(by), notes))


def _act(do: "Callable[[sa.Connection], Incident]") -> None:
    """Do it in one transaction, and say how the incident stands now."""
    from ml_assets.report import text
    from ml_assets.report.incidents import SHORT, state_in_words

    with open_database() as engine, engine.begin() as connection:
        after = do(connection)
    if not after.has_changed:
        note("It was like that already; nothing has changed.")
    row = after.row
    what = text.clean(row["description"], row["kind"]).removesuffix(".")
    say(f"{row['incident_id'][:SHORT]} {state_in_words(row)}. {what}.")
