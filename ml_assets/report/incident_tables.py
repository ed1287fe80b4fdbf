"""One incident in full, for a terminal or a pipe: where it comes from, and its anomalies of a day."""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml_assets.anomalies.frames import ACCOUNT
from ml_assets.report import text
from ml_assets.report.incidents import METRIC_WORDS, draw_incidents, state_in_words

DETAILS = (
    ("cpm", "CPM"),
    ("ctr", "click-through rate"),
    ("cvr", "lead rate"),
    ("cpl", "cost per lead"),
    ("spend", "spend"),
)
"""Metrics whose changes are told, in this order."""


def draw_incident(
    row: dict[str, Any],
    anomalies: pl.DataFrame,
    names: pl.DataFrame,
    account: dict[str, Any],
    console: Console,
    *,
    top: int,
) -> None:
    """Print an incident (a row of `ml_incidents`) and `anomalies`, the rows of its last day, `top` of them.

    `names` (ENTITIES) gives the names, `account` (a row of ACCOUNTS) the currency.
    """
    draw_incidents(pl.DataFrame([row], infer_schema_length=None), console)
    known = dict(names.select(pl.concat_str("entity_type", pl.lit(" "), "entity_id"), "name").rows())

    def named(level: str, entity_id: str) -> str:
        if level == ACCOUNT:
            return text.clean(account["name"], entity_id)
        return text.clean(known.get(f"{level} {entity_id}"), entity_id)

    console.print()
    facts = Table(box=None, show_header=False, pad_edge=False, width=min(console.width, text.MAX_WIDTH))
    facts.add_column("what", style="dim", no_wrap=True)
    facts.add_column("value", ratio=1, overflow="fold")
    for what, value in _facts(row, account):
        facts.add_row(what, Text(value))
    for share in (json.loads(row["attribution"] or "{}").get("shares") or [])[:top]:
        of = f"{share['entity_type']} {named(share['entity_type'], share['entity_id'])}"
        facts.add_row("of the change", Text(f"{text.share(share['share'])}  {of}"))
    console.print(facts)
    _draw_anomalies(anomalies, named, console, top)


def _facts(row: dict[str, Any], account: dict[str, Any]) -> Iterator[tuple[str, str]]:
    document = json.loads(row["attribution"] or "{}")
    yield "incident", str(row["incident_id"])
    yield "account", text.clean(account["name"], account["account_id"])
    yield "root", f"{row['entity_type']} {row['entity_id']}"
    yield "days", f"{row['onset_date']} to {row['last_date']}, looked at {row['evaluated_date']}"
    yield "state", "; ".join(part for part in (row["status"], state_in_words(row)) if part)
    yield "money", f"{text.money(row['money'])} {account['currency'] or ''}".rstrip()
    today = document.get("money_today")
    if today:
        leads = document.get("leads_today")
        also = f", {text.count(leads)} leads" if leads else ""
        yield "at stake that day", f"{text.money(today)}{also}"
    changes = document.get("metrics") or {}
    told = [f"{word} {_percent(changes[name])}" for name, word in DETAILS if changes.get(name) is not None]
    if told:
        yield "against expected", ", ".join(told)
    split = document.get("rate_mix")
    if split:
        yield (
            "rate and mix",
            f"{text.share(split['rate'])} from changes inside its parts, {text.share(split['mix'])} from "
            "delivery moving between them",
        )


def _percent(log_ratio: float) -> str:
    change = math.expm1(log_ratio)
    return f"{'+' if change >= 0 else ''}{text.share(change)}"


def _draw_anomalies(
    anomalies: pl.DataFrame, named: Callable[[str, str], str], console: Console, top: int
) -> None:
    if anomalies.is_empty():
        return
    console.print()
    console.print(
        Text(f"Anomalies on {anomalies.item(0, 'anomaly_date')} ({anomalies.height} in all)", "bold")
    )
    table = Table(box=None, pad_edge=False, header_style="dim", width=min(console.width, text.MAX_WIDTH))
    for heading in ("level", "name", "metric", "observed", "expected", "of the change"):
        table.add_column(
            heading,
            justify="left" if heading in {"level", "name", "metric"} else "right",
            ratio=1 if heading == "name" else None,
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in anomalies.head(top).to_dicts():
        name = Text(named(row["entity_type"], row["entity_id"]))
        if row["is_root_cause"]:
            name.append(" (root)", style="dim")
        table.add_row(
            row["entity_type"],
            name,
            METRIC_WORDS.get(row["metric_name"], row["metric_name"]),
            _amount(row["observed_value"], row["metric_name"]),
            _amount(row["expected_value"], row["metric_name"]),
            text.share(row["contribution"]),
        )
    console.print(table)


def _amount(value: float | None, metric: str) -> str:
    if metric in {"ctr", "cvr"}:
        return text.share(value, 2)
    return text.money(value) if metric in {"spend", "cpm", "cpl", "frequency"} else text.count(value)
