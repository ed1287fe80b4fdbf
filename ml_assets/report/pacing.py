"""The month to date and where it lands, as tables and as rows for machines. Nothing is computed here."""

import calendar
import datetime as dt
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml_assets.report import text

ACCOUNT = "account"


def named_rows(paced: pl.DataFrame, entities: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """PACING with `name` after the key and `currency` at the end; the largest landing first in each level."""
    names = entities.select("config_id", "entity_type", "entity_id", "name")
    own = accounts.select("config_id", account_name="name", currency="currency")
    return (
        paced.join(names, on=["config_id", "entity_type", "entity_id"], how="left", maintain_order="left")
        .join(own, on="config_id", how="left", maintain_order="left")
        .with_columns(
            name=pl.when(pl.col("entity_type") == ACCOUNT).then("account_name").otherwise("name"),
            _level=pl.col("entity_type").rle_id(),
        )
        .sort(
            "config_id", "_level", "spend_landing", "spend_to_date",
            descending=[False, False, True, True], nulls_last=True, maintain_order=True,
        )
        .select("config_id", "entity_type", "entity_id", "name", *paced.columns[3:], "currency")
    )  # fmt: skip


def as_documents(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON can hold them, days as texts."""
    return [
        {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in row.items()}
        for row in rows.to_dicts()
    ]


def draw_pacing(rows: pl.DataFrame, account: dict[str, Any], console: Console) -> None:
    """Print the rows (of `named_rows`) of one account, in sentences for itself and a table for each level."""
    name = text.clean(account["name"], account["account_id"])
    if rows.is_empty():
        console.print(Text(f"{name}: nothing delivers and nothing did this month."))
        return
    first = rows.row(0, named=True)
    date = first["forecast_date"]
    days = calendar.monthrange(date.year, date.month)[1]
    console.print(Text(f"{name}: {date:%B %Y} after day {date.day} of {days}", style="bold"))
    console.print(
        Text(
            f"Money in {account['currency'] or 'an unknown currency'}; in brackets 80 % intervals.",
            style="dim",
        )
    )
    for row in rows.filter(pl.col("entity_type") == ACCOUNT).to_dicts():
        for sentence in _sentences(row):
            console.print(Text(sentence))
    below = rows.filter(pl.col("entity_type") != ACCOUNT)
    for (level,), part in below.group_by("entity_type", maintain_order=True):
        console.print()
        console.print(_table(str(level), part, console))
    if below["budget"].is_not_null().any():
        console.print(
            Text(
                "Budget: the daily budget of today on every day of the month, as far as one is known.", "dim"
            )
        )


def _sentences(row: dict[str, Any]) -> list[str]:
    """Spend, budget and leads of an account."""
    if row["insufficient_data"]:
        return [f"{text.money(row['spend_to_date'])} spent; too short a history to say where the month ends."]
    is_over = row["days_left"] == 0
    spent, late = text.money(row["spend_to_date"]), row["leads_to_date_final"] - row["leads_to_date"]
    leads = f"{text.count(row['leads_to_date'])} {'leads' if is_over else 'so far'}"
    if late >= 1:
        leads += f", {text.count(row['leads_to_date_final'])} when the late ones are in"
    if is_over:
        told = [f"The month is over: {spent} spent, {leads}."]
    else:
        told = [
            f"Spend: {spent} so far, lands at {_landing(row, 'spend', '80')} "
            f"(95 %: {_bounds(row, 'spend', '95')}); a straight line ends at "
            f"{text.money(row['spend_straight_line'])}.",
            f"Leads: {leads}; they land at {_landing(row, 'leads', '80')} "
            f"(95 %: {_bounds(row, 'leads', '95')}).",
            f"CPL: {text.money(row['cpl_to_date'])} so far, lands at {_landing(row, 'cpl', '80')}.",
        ]
    if row["budget"] is None:
        told.append("No budget of the month is set: `ml-assets accounts set --monthly-budget` sets one.")
    elif is_over:
        told.append(f"That is {text.share(row['budget_share_to_date'])} of {text.money(row['budget'])}.")
    else:
        told.append(
            f"Budget: {text.money(row['budget'])}; {text.share(row['budget_share_to_date'])} is spent, "
            f"{text.share(row['budget_share_landing'])} at the end; above it with a probability of "
            f"{text.share(row['above_budget_probability'])}."
        )
    return told


def _table(level: str, rows: pl.DataFrame, console: Console) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", width=min(console.width, text.MAX_WIDTH))
    table.add_column(level, ratio=1, overflow="fold")
    for heading in ("spent", "lands at", "budget", "share", "above", "leads", "lands at", "CPL"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows.to_dicts():
        table.add_row(
            text.clean(row["name"], row["entity_id"]),
            text.money(row["spend_to_date"]),
            _landing(row, "spend", "80"),
            text.money(row["budget"]),
            text.share(row["budget_share_landing"]),
            text.share(row["above_budget_probability"]),
            text.count(row["leads_to_date"]),
            _landing(row, "leads", "80"),
            text.money(row["cpl_landing"]),
        )
    return table


def _landing(row: dict[str, Any], metric: str, level: str) -> str:
    value = row[f"{metric}_landing"]
    if value is None:
        return text.DASH
    form = text.count if metric == "leads" else text.money
    low, high = row[f"{metric}_landing_lower_{level}"], row[f"{metric}_landing_upper_{level}"]
    return form(value) if low == high else f"{form(value)} [{_bounds(row, metric, level)}]"


def _bounds(row: dict[str, Any], metric: str, level: str) -> str:
    form = text.count if metric == "leads" else text.money
    low, high = row[f"{metric}_landing_lower_{level}"], row[f"{metric}_landing_upper_{level}"]
    return f"{form(low)} or more" if high is None else f"{form(low)}–{form(high)}"
