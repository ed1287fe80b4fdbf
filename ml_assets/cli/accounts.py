"""`ml-assets accounts`: the ad accounts and their settings; and how other commands choose one."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_assets.cli.console import group, rich_console, say
from ml_assets.cli.database import open_database
from ml_assets.errors import UsageError

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

app = group("The ad accounts: list them, add one by hand, change their settings.")

Currency = Annotated[str | None, typer.Option(help="ISO 4217 code of the account's currency, such as BRL.")]
TimeZone = Annotated[
    str | None, typer.Option(help="IANA time zone of the account, such as America/Sao_Paulo.")
]
Actions = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Meta action types that count as a lead, separated by commas; `none` for the default.",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(help="Target cost per lead in the account's currency; `none` removes it."),
]
Budget = Annotated[
    str | None,
    typer.Option(help="Budget of a month in the account's currency; `none` removes it."),
]


def accounts_frame(connection: "sa.Connection", *, active_only: bool = False) -> "pl.DataFrame":
    """All accounts by config_id."""
    from ml_assets.storage.reads import read_accounts

    return read_accounts(connection, active_only=active_only).sort("config_id")


def choose(accounts: "pl.DataFrame", wanted: str | None) -> "pl.DataFrame":
    """The accounts `wanted` names by config_id, Meta id (with or without act_) or name; None: all.

    Raises UsageError, listing what there is, where it names none or several.
    """
    import polars as pl

    if wanted is None:
        return accounts
    bare = wanted.strip().casefold().removeprefix("act_")
    keys = (
        pl.col("config_id").cast(pl.String) == bare,
        pl.col("account_id").str.to_lowercase().str.strip_prefix("act_") == bare,
        pl.col("name").str.to_lowercase() == wanted.strip().casefold(),
    )
    for key in keys:
        found = accounts.filter(key)
        if found.height == 1:
            return found
        if found.height > 1:
            raise UsageError(
                f"{wanted!r} names {found.height} accounts; give the number from `ml-assets accounts list`."
            )
    known = ", ".join(f"{row[0]} ({row[1]})" for row in accounts.select("config_id", "name").rows())
    raise UsageError(f"There is no account {wanted!r}; there are: {known or 'none yet'}.")


def parse_settings(**texts: str | None) -> dict[str, Any]:
    """The given options under their column names; `none` becomes None, lists are split at commas.

    Whether a value can be right is checked where it is stored.
    """
    given = {name: text.strip() for name, text in texts.items() if text is not None}
    return {
        name: None
        if text.casefold() == "none"
        else [action.strip() for action in text.split(",")]
        if name == "conversion_actions"
        else text
        for name, text in given.items()
    }


@app.command("list")
def list_accounts() -> None:
    """List the accounts with their settings and how far their data reaches."""
    from rich.table import Table

    with open_database() as engine, engine.connect() as connection:
        accounts = accounts_frame(connection)
    if accounts.is_empty():
        say("There is no account yet: `ml-assets ingest export FILE` or `ml-assets demo` makes one.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in (
        "#",
        "account id",
        "name",
        "currency",
        "time zone",
        "lead actions",
        "target CPL",
        "active",
    ):
        table.add_column(heading, overflow="fold")
    for row in accounts.to_dicts():
        table.add_row(
            str(row["config_id"]),
            row["account_id"],
            row["name"] or "",
            row["currency"] or "",
            row["timezone"] or "",
            ", ".join(row["conversion_actions"] or []) or "default",
            "" if row["target_cpl"] is None else f"{row['target_cpl']:,.2f}",
            "yes" if row["is_active"] else "no",
        )
    rich_console().print(table)


@app.command("add")
def add(
    account_id: Annotated[str, typer.Argument(help="Meta's id of the account, with or without act_.")],
    name: Annotated[str | None, typer.Option(help="Name to show; by default the id.")] = None,
    currency: Currency = None,
    timezone: TimeZone = None,
    conversion_actions: Actions = None,
    target_cpl: Target = None,
    monthly_budget: Budget = None,
) -> None:
    """Add an account by hand; an export makes its account itself.

    \b
    Example:
      ml-assets accounts add 1234567890 --name "Clinic" --currency BRL --timezone America/Sao_Paulo
    """
    from ml_assets.sources.protocol import AccountInfo
    from ml_assets.storage.accounts import add_account, update_account

    bare = account_id.strip().removeprefix("act_")
    settings = parse_settings(
        currency=currency,
        timezone=timezone,
        conversion_actions=conversion_actions,
        target_cpl=target_cpl,
        monthly_budget=monthly_budget,
    )
    with open_database() as engine, engine.begin() as connection:
        config_id = add_account(connection, AccountInfo(account_id=bare, name=name or bare))
        update_account(connection, config_id, **settings)
    say(f"Account {config_id} added: {name or bare}.")


@app.command("set")
def set_account(
    account: Annotated[str, typer.Argument(help="Number, Meta id or name of the account.")],
    name: Annotated[str | None, typer.Option(help="Name to show.")] = None,
    currency: Currency = None,
    timezone: TimeZone = None,
    conversion_actions: Actions = None,
    target_cpl: Target = None,
    monthly_budget: Budget = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether runs include the account.")
    ] = None,
) -> None:
    """Change settings of an account. Days already judged stay as they are until they are run again.

    \b
    Examples:
      ml-assets accounts set 1 --timezone America/Sao_Paulo --target-cpl 42.50
      ml-assets accounts set 1 --conversion-actions onsite_conversion.messaging_conversation_started_7d
      ml-assets accounts set "Old client" --inactive
    """
    from ml_assets.storage.accounts import update_account

    settings = parse_settings(
        name=name,
        currency=currency,
        timezone=timezone,
        conversion_actions=conversion_actions,
        target_cpl=target_cpl,
        monthly_budget=monthly_budget,
    )
    if active is not None:
        settings["is_active"] = active
    if not settings:
        raise UsageError("Nothing to change: give at least one option, see `ml-assets accounts set --help`.")
    with open_database() as engine, engine.begin() as connection:
        chosen = choose(accounts_frame(connection), account)
        config_id = int(chosen.item(0, "config_id"))
        update_account(connection, config_id, **settings)
    say(f"Account {config_id} ({chosen.item(0, 'name')}): {_in_words(settings)}.")


def _in_words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {'none' if value is None else value}" for name, value in settings.items())
