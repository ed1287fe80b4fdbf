"""`ml-assets ingest`: figures from a file into the database."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_assets.cli.console import group, note, rich_console, say
from ml_assets.cli.database import open_database
from ml_assets.errors import InputError, UsageError

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

    from ml_assets.sources.ads_manager import Export
    from ml_assets.storage.writes import DeliveryCounts

app = group("Load figures from a file.")

REASONS_SHOWN = 10


@app.callback()
def _ingest() -> None:
    pass


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="Ads Manager export, CSV or XLSX, broken down by day.")],
    account: Annotated[
        str | None,
        typer.Option(help="Account the file belongs to, where it does not say: number, Meta id or name."),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            help="IANA time zone of the account, which no export names; by default ML_ASSETS_TIMEZONE."
        ),
    ] = None,
) -> None:
    """Load an Ads Manager export. The first one needs no preparation: its account is made from it.

    Loading a file twice changes nothing. Rows that cannot be right are set aside with their reason
    (table ads_rejected_rows); a file that cannot be right is refused and nothing is changed.

    \b
    Examples:
      ml-assets ingest export ads-manager.csv
      ml-assets ingest export ads-manager.xlsx --account 1234567890 --timezone America/Sao_Paulo
    """
    config_id = ingest_export(file, account=account, timezone=timezone)
    note(
        f"Next: `ml-assets run --from DATE --to DATE`, then `ml-assets report --account {config_id}`; or "
        f"both at once: `ml-assets demo --data {file}`."
    )


def ingest_export(file: Path, *, account: str | None = None, timezone: str | None = None) -> int:
    """Load the file, print what it held and what was assumed, and return the config_id of its account.

    Raises UnreadableExportError and NothingLoadableError as the reader does, and InputError for a file in
    another currency than its account; nothing is changed then.
    """
    from ml_assets.sources.ads_manager import read_export
    from ml_assets.storage.writes import store_delivery

    with open_database() as engine, engine.connect() as connection:
        known = _named_account(connection, account)
    actions = known["conversion_actions"] if known else None
    content = read_export(
        file, account_id=known["account_id"] if known else account, conversion_actions=actions
    )
    with open_database() as engine, engine.begin() as connection:
        known = known or _account_by_id(connection, content.account.account_id)
        if known and (known["conversion_actions"] or None) != (actions or None):
            content = read_export(
                file, account_id=known["account_id"], conversion_actions=known["conversion_actions"]
            )
        if known:
            _require_same_currency(content, known)
        config_id = _settle_account(connection, content, known, timezone)
        counts = store_delivery(connection, config_id, content.delivery, content.known_at)
    _print_result(file, content, counts, config_id, is_new=known is None)
    return config_id


def _named_account(connection: "sa.Connection", wanted: str | None) -> dict[str, Any] | None:
    """The stored account that --account names, or None where it is a new one."""
    from ml_assets.cli.accounts import accounts_frame, choose

    if wanted is None:
        return None
    try:
        return choose(accounts_frame(connection), wanted).to_dicts()[0]
    except UsageError:
        return None


def _account_by_id(connection: "sa.Connection", account_id: str) -> dict[str, Any] | None:
    from ml_assets.storage.accounts import find_account
    from ml_assets.storage.reads import read_accounts

    config_id = find_account(connection, account_id)
    if config_id is None:
        return None
    return read_accounts(connection, [config_id], active_only=False).to_dicts()[0]


def _require_same_currency(content: "Export", known: dict[str, Any]) -> None:
    theirs, ours = content.account.currency, known["currency"]
    if theirs and ours and theirs != ours:
        raise InputError(
            f"The file is in {theirs}, but account {known['config_id']} ({known['name']}) is in {ours}. Give "
            f"its own account with --account ID, or correct the currency: "
            f"`ml-assets accounts set {known['config_id']} --currency {theirs}`."
        )


def _settle_account(
    connection: "sa.Connection", content: "Export", known: dict[str, Any] | None, timezone: str | None
) -> int:
    """Add the account of the file where it is new, and fill in what it did not know."""
    from ml_assets.settings import settings
    from ml_assets.storage.accounts import add_account, update_account

    if known is None:
        zone = timezone or content.account.timezone or settings().timezone
        return add_account(connection, replace(content.account, timezone=zone))
    config_id = int(known["config_id"])
    changes: dict[str, Any] = {}
    if timezone:
        changes["timezone"] = timezone
    if content.account.currency and not known["currency"]:
        changes["currency"] = content.account.currency
    update_account(connection, config_id, **changes)
    return config_id


def _print_result(
    file: Path, content: "Export", counts: "DeliveryCounts", config_id: int, *, is_new: bool
) -> None:
    days = f"{content.start} to {content.end}"
    say(f"{file.name}: {content.rows:,} daily rows of {content.level}s, {days}.")
    account = content.account
    made = "made from the file" if is_new else "known"
    say(f"Account {config_id} ({made}): {account.name}, {account.currency or 'currency unknown'}.")
    rejected = content.delivery.rejected
    entities, insights = counts.entities, counts.insights
    if insights.inserted or entities.inserted or entities.versions:
        states = f", {entities.versions:,} changes of status or budget" if entities.versions else ""
        say(
            f"Stored: {insights.inserted:,} rows new or changed, {insights.unchanged:,} unchanged; "
            f"{entities.inserted:,} entities new{states}."
        )
    else:
        say(f"Nothing changed: all {insights.unchanged:,} rows were there already.")
    skipped = [
        f"{number:,} {word}"
        for number, word in (
            (content.totals, "rows of totals"),
            (content.without_delivery, "rows without delivery"),
        )
        if number
    ]
    if skipped:
        say(f"Left out: {', '.join(skipped)}.")
    if is_new:
        for sentence in content.assumptions:
            say(f"Assumed: {sentence.replace('CONFIG_ID', str(config_id))}")
    for sentence in content.delivery.warnings:
        say(f"Warning: {sentence.replace('CONFIG_ID', str(config_id))}")
    if rejected.height:
        _print_rejected(rejected)


def _print_rejected(rejected: "pl.DataFrame") -> None:
    """The reasons for which rows were set aside, most rows first, with the lines of the file."""
    import polars as pl
    from rich.table import Table

    reasons = (
        rejected.group_by("reason")
        .agg(pl.len().alias("rows"), pl.col("line").sort().head(5))
        .sort("rows", "reason", descending=[True, False])
    )
    say(f"{rejected.height:,} rows were set aside and are kept in ads_rejected_rows:")
    table = Table(box=None, pad_edge=False)
    table.add_column("rows", justify="right")
    table.add_column("lines")
    table.add_column("reason", overflow="fold")
    for reason, rows, lines in reasons.head(REASONS_SHOWN).rows():
        listed = ", ".join(map(str, lines)) + (", ..." if rows > len(lines) else "")
        table.add_row(f"{rows:,}", listed, reason)
    rich_console().print(table)
    if reasons.height > REASONS_SHOWN:
        say(f"... and {reasons.height - REASONS_SHOWN} more reasons.")
