"""Recommendations as lists for a terminal or a pipe, and the state of one in words."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ml_assets.cli.console import note, rich_console, say
from ml_assets.report import text

if TYPE_CHECKING:
    import polars as pl

SHORT = 8
"""Digits of an id that are shown; they are accepted back."""


def draw_list(
    rows: "pl.DataFrame",
    accounts: "pl.DataFrame",
    *,
    day: dt.date | None,
    newest: Mapping[int, dt.date],
    statuses: Sequence[str],
    blocked: bool,
    top: int,
) -> None:
    """Print the rows account by account, on standard output; what is missing on standard error."""
    import polars as pl

    drawn = 0
    for account in accounts.to_dicts():
        own = rows.filter(pl.col("config_id") == account["config_id"])
        name = text.clean(account["name"], account["account_id"])
        is_plan = list(statuses) == ["active"]
        if own.is_empty():
            note(f"{name}: nothing {_kind(statuses, blocked)}{f' on {day}' if day else ''}.")
            continue
        if drawn:
            say()
        of = own["recommendation_date"].max()
        _draw(
            own.head(top),
            account,
            f"{name}: {_kind(statuses, blocked)}{f', {of}' if is_plan else ''}",
            blocked,
        )
        if own.height > top:
            note(f"{own.height - top} more; --top {own.height} shows them.")
        last = newest.get(account["config_id"])
        if is_plan and day is None and last is not None and isinstance(of, dt.date) and last > of:
            note(f"{name} is classified up to {last}, but nothing was recommended after {of}.")
        drawn += 1


def _kind(statuses: Sequence[str], blocked: bool) -> str:
    if list(statuses) == ["active"]:
        return "held back" if blocked else "to do"
    return " or ".join(statuses) + (", held back" if blocked else "")


def _draw(rows: "pl.DataFrame", account: dict[str, Any], title: str, blocked: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    is_plan = set(rows["status"]) == {"active"}
    console = rich_console()
    console.print(Text(f"{title} (money in {account['currency'] or 'an unknown currency'}, a week)", "bold"))
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    last = "held back by" if blocked else "until" if is_plan else "state"
    # Rows of a plan are of one day, which the title says.
    dated = () if is_plan else ("of",)
    for heading in ("id", *dated, "level", "prio", "what to do", "sure", "money", "waiting", last):
        is_number = heading in {"prio", "sure", "money", "waiting"}
        table.add_column(
            heading,
            justify="right" if is_number else "left",
            no_wrap=heading not in {"what to do", "state"},
            overflow="fold",
            ratio={"what to do": 3, "state": 2}.get(heading),
        )
    for row in rows.to_dicts():
        end = text.clean(row["blocked_by"], "") if blocked else state_in_words(row, account["timezone"])
        table.add_row(
            row["id"][:SHORT],
            *((str(row["recommendation_date"]),) if dated else ()),
            row["entity_type"],
            "" if row["priority"] is None else str(row["priority"]),
            text.clean(row["title"], row["recommendation_type"]),
            text.sure(row["confidence_score"]),
            text.money(row["money_per_week"]),
            text.money(row["cost_of_waiting"]),
            _last_day(row["expires_at"], account["timezone"]) if is_plan and not blocked else end,
        )
    console.print(table)


def state_in_words(row: Mapping[str, Any], timezone: str | None = None) -> str:
    """What became of a recommendation: by whom, when and why; times in UTC, the last day in the account's."""
    status = row["status"]
    parts = {
        "applied": ("applied_by", "applied_at", None),
        "dismissed": ("dismissed_by", "dismissed_at", "dismissed_reason"),
    }
    if status == "superseded":
        before = "applied" if row["applied_at"] else "dismissed"
        return f"{state_in_words({**row, 'status': before})}; not advised any more"
    if status not in parts:
        if status == "expired":
            return f"expired, nobody acted until {_last_day(row['expires_at'], timezone)}"
        return f"active until {_last_day(row['expires_at'], timezone)}"
    by, at, why = (row[name] if name else None for name in parts[status])
    who = "seen in the account" if by == "detected" else f"by {by or 'somebody'}"
    moment = f" on {at:%Y-%m-%d %H:%M} UTC" if at else ""
    return f"{status}, {who}{moment}{f': {why}' if why else ''}"


def _last_day(expires_at: dt.datetime | None, timezone: str | None) -> str:
    """The last day on which it stands: it ends with the first moment of the next."""
    if expires_at is None:
        return "further notice"
    last = (expires_at - dt.timedelta(microseconds=1)).astimezone(ZoneInfo(timezone or "UTC"))
    return f"{last:%Y-%m-%d}"
