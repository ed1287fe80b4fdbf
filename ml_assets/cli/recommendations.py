"""`ml-assets recommendations`: the plan, what people do with it, and why something is advised or not.

How lists are drawn is in `ml_assets.cli.recommendation_tables`, the answer to `why` in `ml_assets.cli.why`.
"""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_assets.cli.console import group, note, say
from ml_assets.cli.database import open_database
from ml_assets.cli.options import Account, By, Level, parse_date, parse_levels, person, split
from ml_assets.errors import NotReadyError, UsageError

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

    from ml_assets.storage.recommendation_actions import Case

app = group("What to do: list the plan, say what was done with it, ask why or why not.")

REASONS = ("not now", "planned otherwise", "figures are wrong", "tried before", "not our decision")
"""Reasons for a dismissal that are worth having in common; any other text will do."""

STATUSES = ("active", "applied", "dismissed", "expired", "superseded")

Id = Annotated[
    str, typer.Argument(metavar="ID", help="The id that `list` shows, or the first digits of a longer one.")
]


# ------------------------------------------------------------------------------------------ list


@app.command("list")
def list_recommendations(
    account: Account = None,
    date: Annotated[
        str | None, typer.Option(help="Day, like 2026-02-28; by default the newest of each account.")
    ] = None,
    level: Level = None,
    kind: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Such as PAUSE; may be repeated.")
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS",
            help="active (the default), applied, dismissed, expired or superseded, of any day unless --date "
            "is given; may be repeated.",
        ),
    ] = None,
    blocked: Annotated[
        bool, typer.Option("--blocked", help="What is held back instead, and by which guard.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="Rows per account.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with everything in it.")] = False,
) -> None:
    """List the plan: what to do on the newest day, best first. Money is in the account's currency, a week.

    \b
    Examples:
      ml-assets recommendations list
      ml-assets recommendations list --account "Clinic" --level ad --type PAUSE
      ml-assets recommendations list --blocked
      ml-assets recommendations list --status applied --status dismissed
    """
    levels = parse_levels(level)
    day = parse_date(date, "--date") if date else None
    kinds = _words(kind, "--type", _types())
    statuses = _words(status, "--status", STATUSES, str.lower) or ["active"]
    with open_database() as engine, engine.connect() as connection:
        accounts = _accounts(connection, account)
        rows = _read(connection, accounts, day, statuses, blocked=blocked).filter(_of(levels, kinds))
        newest = _newest(connection, accounts)
    if as_json:
        say(json.dumps(_documents(rows), ensure_ascii=False, indent=2))
        return
    from ml_assets.cli.recommendation_tables import draw_list

    draw_list(rows, accounts, day=day, newest=newest, statuses=statuses, blocked=blocked, top=top)


def _read(
    connection: "sa.Connection",
    accounts: "pl.DataFrame",
    day: dt.date | None,
    statuses: Sequence[str],
    *,
    blocked: bool,
) -> "pl.DataFrame":
    """The rows of the day, else of each account's newest; not active ones of any day, one of each case."""
    import polars as pl

    from ml_assets.storage.recommendations import newest_dates, read_recommendations

    config_ids = accounts["config_id"].to_list()
    is_of_any_day = day is None and list(statuses) != ["active"]
    # What was applied or dismissed may be held back on the following days: it is listed all the same.
    is_blocked = blocked if list(statuses) == ["active"] or blocked else None
    if day is not None:
        return read_recommendations(
            connection, config_ids, day, day, statuses=statuses, is_blocked=is_blocked
        )
    if is_of_any_day:
        rows = read_recommendations(connection, config_ids, statuses=statuses, is_blocked=is_blocked)
        # One deed of a person reaches every row of a case, and the case before it where that ran on.
        deed = ("config_id", "entity_type", "entity_id", "recommendation_type", "applied_at", "dismissed_at")
        untouched = pl.all_horizontal(pl.col("applied_at", "dismissed_at").is_null())
        case = pl.when(untouched).then(pl.coalesce("case_id", "id"))
        return rows.filter(pl.int_range(pl.len()).over(*deed, case) == 0)
    newest = newest_dates(connection, config_ids)
    if newest.is_empty():
        raise NotReadyError(
            "Nothing has been recommended yet: `ml-assets run` decides days, `ml-assets doctor` says what is "
            "missing."
        )
    first, last = newest["recommendation_date"].sort()[[0, -1]]
    rows = read_recommendations(connection, config_ids, first, last, statuses=statuses, is_blocked=is_blocked)
    return rows.join(newest, on=["config_id", "recommendation_date"], how="semi", maintain_order="left")


def _newest(connection: "sa.Connection", accounts: "pl.DataFrame") -> dict[int, dt.date]:
    """The newest classified day of each account, so that an old plan is not taken for a new one."""
    import polars as pl

    from ml_assets.storage.overview import read_reach
    from ml_assets.storage.tables import MLClassification

    reach = read_reach(connection, MLClassification, accounts["config_id"].to_list())
    return dict(reach.group_by("config_id").agg(pl.col("last_date").max()).rows())


def _of(levels: Sequence[str], kinds: Sequence[str]) -> "pl.Expr":
    import polars as pl

    found = pl.col("entity_type").is_in([str(level) for level in levels])
    return found & pl.col("recommendation_type").is_in(list(kinds)) if kinds else found


def _documents(rows: "pl.DataFrame") -> list[dict[str, Any]]:
    """Rows as JSON can hold them: documents as objects, times in ISO 8601."""
    documents = ("suggested_action", "reasoning", "expected_impact")

    def plain(name: str, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, dt.date):
            return value.isoformat()
        return json.loads(value) if name in documents and value else value

    return [{name: plain(name, value) for name, value in row.items()} for row in rows.to_dicts()]


def _types() -> tuple[str, ...]:
    from ml_assets.recommendations.frames import TYPES

    return TYPES


def _words(
    values: Sequence[str] | None,
    option: str,
    known: Sequence[str],
    spelled: Callable[[str], str] = str.upper,
) -> list[str]:
    """Values of an option in the spelling of `known`. Raises UsageError for another word."""
    wanted = [spelled(value.replace("-", "_").replace(" ", "_")) for value in split(values)]
    unknown = [value for value in wanted if value not in known]
    if unknown:
        raise UsageError(f"{option} is one of {', '.join(known)}, not {', '.join(unknown)}.")
    return wanted


def _accounts(connection: "sa.Connection", wanted: str | None) -> "pl.DataFrame":
    from ml_assets.cli.accounts import accounts_frame, choose

    accounts = accounts_frame(connection, active_only=wanted is None)
    if accounts.is_empty():
        raise NotReadyError(
            "There is no account yet: `ml-assets ingest export FILE` or `ml-assets demo` makes one."
        )
    return choose(accounts, wanted)


# ---------------------------------------------------------------------------------------- actions


@app.command("apply")
def apply(
    recommendation: Id,
    by: By = None,
    reason: Annotated[str | None, typer.Option(help="A note for the record.")] = None,
) -> None:
    """Say that what was advised has been done. A change in the account is usually seen without this.

    \b
    Example:
      ml-assets recommendations apply 1f3a9c02
    """
    from ml_assets.storage.recommendation_actions import apply_recommendation

    _act(apply_recommendation, recommendation, by, reason)


@app.command("dismiss")
def dismiss(
    recommendation: Id,
    reason: Annotated[
        str, typer.Option(help=f"Why not: any text, for example {', '.join(map(repr, REASONS))}.")
    ],
    by: By = None,
) -> None:
    """Say that what was advised will not be done. It stays quiet for a while, unless the evidence grows.

    \b
    Example:
      ml-assets recommendations dismiss 1f3a9c02 --reason "planned otherwise"
    """
    from ml_assets.storage.recommendation_actions import dismiss_recommendation

    _act(dismiss_recommendation, recommendation, by, reason)


@app.command("reopen")
def reopen(
    recommendation: Id,
    by: By = None,
    reason: Annotated[str | None, typer.Option(help="A note for the record.")] = None,
) -> None:
    """Undo an apply or a dismissal that was a mistake. The log keeps both.

    \b
    Example:
      ml-assets recommendations reopen 1f3a9c02
    """
    from ml_assets.storage.recommendation_actions import reopen_recommendation

    _act(reopen_recommendation, recommendation, by, reason)


def _act(
    do: "Callable[[sa.Connection, str, str, dt.datetime | None, str | None], Case]",
    recommendation: str,
    by: str | None,
    reason: str | None,
) -> None:
    """Do it in one transaction, and say how the case stands now."""
    from ml_assets.cli.accounts import accounts_frame
    from ml_assets.cli.recommendation_tables import state_in_words

    with open_database() as engine, engine.begin() as connection:
        case = do(connection, recommendation, person(by), None, reason)
        accounts = accounts_frame(connection, active_only=False)
    row = case.row
    zones = dict(accounts.select("config_id", "timezone").rows())
    if not case.has_changed:
        note("It was like that already; nothing has changed.")
    state = state_in_words(row, zones.get(row["config_id"]))
    say(f"{row['id'][:8]} {row['title'] or row['recommendation_type']}: {state}.")


# -------------------------------------------------------------------------------------------- why


@app.command("why")
def why(
    entity: Annotated[
        str, typer.Argument(metavar="ENTITY", help="Id or name of a campaign, adset or ad, or part of one.")
    ],
    date: Annotated[
        str | None, typer.Option(help="Day, like 2026-02-28; by default the newest one decided.")
    ] = None,
    account: Account = None,
    level: Level = None,
) -> None:
    """Say what is advised for an entity and why, what is held back and by what, and what is not met.

    \b
    Examples:
      ml-assets recommendations why 120000000000000021
      ml-assets recommendations why "Ad 3" --level ad --date 2026-02-28
    """
    from ml_assets.cli.why import explain_entity

    levels = parse_levels(level)
    day = parse_date(date, "--date") if date else None
    with open_database() as engine, engine.connect() as connection:
        explain_entity(connection, _accounts(connection, account), entity, day, levels)
