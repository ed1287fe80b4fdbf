"""`ml-assets token`: who may use the REST API, for which accounts, and until when."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_assets.cli.console import group, note, rich_console, say
from ml_assets.cli.database import open_database
from ml_assets.cli.options import By, person

if TYPE_CHECKING:
    import sqlalchemy as sa

    from ml_assets.storage.tokens import Token

app = group("Access tokens of the REST API. Their secrets are shown once and never kept.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what uses it, such as `dashboard`.")],
    write: Annotated[
        bool, typer.Option("--write", help="It may also start runs, apply, dismiss and acknowledge.")
    ] = False,
    account: Annotated[
        list[str] | None,
        typer.Option("--account", help="Only this account, by name or id; may be repeated. By default all."),
    ] = None,
    expires_in_days: Annotated[
        int | None, typer.Option("--expires-in-days", min=1, max=36_500, help="By default it does not end.")
    ] = None,
    by: By = None,
) -> None:
    """Make a token and print its secret, which is shown this once.

    \b
    Examples:
      ml-assets token create dashboard
      TOKEN=$(ml-assets token create bot --write --account "Clinic" --expires-in-days 90)
    """
    from ml_assets.storage.tokens import create_token

    ends = None
    if expires_in_days is not None:
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=expires_in_days)
    with open_database() as engine, engine.begin() as connection:
        config_ids = None if not account else _config_ids(connection, account)
        secret, token = create_token(
            connection, name, "write" if write else "read", config_ids, ends, person(by)
        )
    say(secret)
    note(
        f"Token {token.name} ({token.id[:8]}) {_may(token)}. Keep the line above: it is not shown again.\n"
        "Servers that run take it within 5 seconds: curl -H 'Authorization: Bearer SECRET' ..."
    )


@app.command("list")
def list_all(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with everything but secrets.")] = False,
) -> None:
    """List the tokens, those that are no good any more too."""
    from ml_assets.storage.tokens import list_tokens

    with open_database() as engine, engine.connect() as connection:
        tokens = list_tokens(connection)
    now = dt.datetime.now(dt.UTC)
    if as_json:
        say(json.dumps([_document(token, now) for token in tokens], ensure_ascii=False, indent=2))
        return
    if not tokens:
        note("There is no token: `ml-assets serve` answers on this machine alone, to everybody on it.")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("id", "name", "may", "state", "expires", "last used"):
        table.add_column(title)
    for token in tokens:
        cells = (
            token.id[:8], token.name, _may(token), token.state(now), _day(token.expires_at),
            _day(token.last_used_at),
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    rich_console().print(table)


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(metavar="NAME_OR_ID", help="As `list` shows it.")], by: By = None
) -> None:
    """Make a token useless for good. Servers that run refuse it within 5 seconds.

    \b
    Example:
      ml-assets token revoke dashboard
    """
    from ml_assets.storage.tokens import revoke_token

    with open_database() as engine, engine.begin() as connection:
        revoked = revoke_token(connection, token, person(by))
    say(f"Token {revoked.name} ({revoked.id[:8]}) is revoked.")


def _config_ids(connection: "sa.Connection", wanted: Sequence[str]) -> list[int]:
    from ml_assets.cli.forecast import read_chosen_accounts

    return [each for name in wanted for each in read_chosen_accounts(connection, name)["config_id"].to_list()]


def _may(token: "Token") -> str:
    what = "reads and writes" if token.scope == "write" else "reads"
    if token.config_ids is None:
        return f"{what} all accounts"
    named = ", ".join(map(str, token.config_ids))
    return f"{what} account{'s' if len(token.config_ids) > 1 else ''} {named}"


def _day(moment: dt.datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def _document(token: "Token", now: dt.datetime) -> dict[str, Any]:
    def moment(value: dt.datetime | None) -> str | None:
        return None if value is None else value.isoformat()

    return {
        "id": token.id,
        "name": token.name,
        "scope": token.scope,
        "config_ids": None if token.config_ids is None else list(token.config_ids),
        "state": token.state(now),
        "created_at": moment(token.created_at),
        "expires_at": moment(token.expires_at),
        "last_used_at": moment(token.last_used_at),
        "revoked_at": moment(token.revoked_at),
    }
