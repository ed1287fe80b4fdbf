"""The forecast of one entity: its content, as tables and as a document for machines.

Nothing is forecast or read here.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml_assets.forecasts.forecast import TreeForecast
from ml_assets.forecasts.frames import FORECAST_POINTS, METRICS, QUANTILES
from ml_assets.forecasts.periods import period_totals
from ml_assets.forecasts.planned import FAR, PlannedBudget
from ml_assets.forecasts.rows import BORROWED, node_rows
from ml_assets.forecasts.tree import LEAST_DAYS, OWN_DAYS
from ml_assets.frames import empty
from ml_assets.report import text
from ml_assets.report.incidents import BARS

MOST_DAILY_ROWS = 14
"""Longer forecasts are shown week by week."""

WEEK = 7

PAST_DAYS = 28
"""Days before the forecast in the line of bars."""

NOW_MARK = "┊"

WORDS = {
    "spend": "spend",
    "impressions": "impressions",
    "clicks": "clicks",
    "leads": "leads",
    "cpl": "CPL",
    "ctr": "CTR",
    "cpc": "CPC",
    "cpm": "CPM",
}


@dataclass(frozen=True)
class Outlook:
    """The forecast of one entity, and what is needed to speak of it."""

    account: dict[str, Any]
    """A row of ACCOUNTS."""
    entity: dict[str, Any]
    """entity_type, entity_id, name."""
    date: dt.date
    days: int
    row: int | None
    """Of `TreeForecast.mean`; None where nothing was ever delivered."""
    is_insufficient: bool
    is_active: bool
    history_days: int
    forecasts: pl.DataFrame
    """FORECASTS; no rows without a row of the tree."""
    points: pl.DataFrame
    """FORECAST_POINTS."""
    weeks: pl.DataFrame
    """PERIODS."""
    past: dict[str, list[float]]
    """Metric -> the last days' figures as delivered."""


def outlook_of(forecast: TreeForecast, account: dict[str, Any], entity: dict[str, Any]) -> Outlook:
    """Take the forecast of `entity` (entity_type, entity_id, config_id, name) out of that of its account."""
    steps = forecast.tree.steps
    index = [step.name for step in steps].index(entity["entity_type"])
    step = steps[index]
    is_it = (pl.col("config_id") == entity["config_id"]) & (pl.col("entity_id") == entity["entity_id"])
    places = np.flatnonzero(step.keys.select(is_it)[:, 0].to_numpy())
    if not places.size:
        return Outlook(
            account=account, entity=entity, date=forecast.tree.date, days=forecast.horizon, row=None,
            is_insufficient=True, is_active=False, history_days=0, forecasts=pl.DataFrame(),
            points=empty(FORECAST_POINTS), weeks=pl.DataFrame(), past={},
        )  # fmt: skip
    place = int(places[0])
    row = int(forecast.offsets[index]) + place
    rows = node_rows(forecast, index, np.array([row]))
    return Outlook(
        account=account,
        entity=entity,
        date=forecast.tree.date,
        days=forecast.horizon,
        row=row,
        is_insufficient=bool(forecast.is_insufficient[row]),
        is_active=bool(step.is_active[place, -1]),
        history_days=int(forecast.tree.days - step.first[place]),
        forecasts=rows.forecasts,
        points=rows.points,
        weeks=period_totals(forecast, row, WEEK),
        past={name: np.nan_to_num(step.values[name][place, -PAST_DAYS:]).tolist() for name in METRICS},
    )


# -------------------------------------------------------------------------------------- for people


def draw(outlook: Outlook, planned: PlannedBudget | None, metrics: Sequence[str], console: Console) -> None:
    """Print the forecast on `console`: by day or week, in total, and how it came about."""
    account, entity = outlook.account, outlook.entity
    kind = "Account" if entity["entity_type"] == "account" else entity["entity_type"].capitalize()
    name = text.clean(entity["name"], entity["entity_id"])
    first, last = (outlook.date + dt.timedelta(days=ahead) for ahead in (1, outlook.days))
    console.print(Text(f"{kind} {name} ({entity['entity_id']}): {first} to {last}", style="bold"))
    if outlook.is_insufficient:
        console.print(Text(_too_little(outlook)))
        return
    console.print(
        Text(
            f"Known to {outlook.date}. Money in {account['currency'] or 'an unknown currency'}; "
            "in brackets 80 % intervals.",
            style="dim",
        )
    )
    if not outlook.is_active:
        console.print(Text("It does not run: the forecast is what comes while that stays so."))
    if not console.options.ascii_only:
        for metric in metrics:
            if metric in METRICS:
                console.print(_line(outlook, metric))
    console.print()
    console.print(_table(outlook, metrics, console))
    console.print()
    console.print(_totals(outlook, metrics, console))
    console.print()
    for metric in metrics:
        if metric in METRICS:
            console.print(Text(_how(outlook, metric), style="dim"))
    if planned is not None:
        console.print()
        _draw_planned(planned, account, console)


def _too_little(outlook: Outlook) -> str:
    days = outlook.history_days
    have = "no day of delivery" if days <= 0 else f"{days} day{'' if days == 1 else 's'} of history"
    return f"Insufficient data: {have} by {outlook.date}; a forecast needs {LEAST_DAYS}."


def _line(outlook: Outlook, metric: str) -> Text:
    """The last days and the forecast as bars from 0 to the highest figure."""
    ahead = _of(outlook.points, metric).sort("target_date")["predicted_value"].to_list()
    past = outlook.past[metric]
    highest = max([*past, *ahead])

    def bars(figures: Sequence[float]) -> str:
        top = len(BARS) - 1
        return "".join(BARS[round(figure / highest * top) if highest > 0 else 0] for figure in figures)

    line = Text(f"{WORDS[metric]:<12}")
    line.append(bars(past), style="dim")
    line.append(NOW_MARK + bars(ahead[:PAST_DAYS]))
    return line


def _table(outlook: Outlook, metrics: Sequence[str], console: Console) -> Table:
    """By day, or by week where the forecast is long."""
    by_week = outlook.days > MOST_DAILY_ROWS
    table = _grid(console, "week" if by_week else "day", metrics)
    if by_week:
        blocks = outlook.weeks
        days = blocks.select("first_date", "last_date").unique().sort("first_date")
        titles = [f"{first:%b %d} - {last:%b %d}" for first, last in days.rows()]
        columns = [_of(blocks, metric).sort("first_date") for metric in metrics]
    else:
        columns = [
            _of(outlook.points, metric).sort("target_date").rename({"predicted_value": "value"})
            for metric in metrics
        ]
        titles = [f"{day:%a %b %d}" for day in columns[0]["target_date"]]
    figures = [column.select("value", *QUANTILES).to_dicts() for column in columns]
    for title, *cells in zip(titles, *figures, strict=True):
        table.add_row(
            title, *(_interval(metric, cell, "80") for metric, cell in zip(metrics, cells, strict=True))
        )
    return table


def _totals(outlook: Outlook, metrics: Sequence[str], console: Console) -> Table:
    table = _grid(console, "in total", metrics)
    figures = [_total(outlook, metric) for metric in metrics]
    days = f"{outlook.days} day{'' if outlook.days == 1 else 's'}"
    for title, level in ((f"{days}, 80 %", "80"), (f"{days}, 95 %", "95")):
        table.add_row(
            title, *(_interval(metric, cell, level) for metric, cell in zip(metrics, figures, strict=True))
        )
    return table


def _total(outlook: Outlook, metric: str) -> dict[str, Any]:
    """Value and bounds over the whole horizon."""
    told = _of(outlook.forecasts, metric).row(0, named=True)
    return {name: told[f"total_{name}"] for name in ("value", *QUANTILES)}


def _how(outlook: Outlook, metric: str) -> str:
    """Which method forecast a metric, and how far off it was on the days it was tried on."""
    told = _of(outlook.forecasts, metric).row(0, named=True)
    if told["method"] == BORROWED:
        return (
            f"{WORDS[metric]}: under {OWN_DAYS} days of history, so the shape is that of what it belongs to, "
            "scaled."
        )
    tried: dict[str, Any] = json.loads(told["backtest"]) if told["backtest"] else {"origins": 0}
    error = tried.get("mase", {}).get("combined")
    if not tried["origins"] or error is None:
        return f"{WORDS[metric]}: {told['method']}; too short a history to try it on."
    weights = {name: weight for name, weight in tried["weights"].items() if weight}
    methods = ", ".join(
        f"{name} {weight:.0%}" for name, weight in sorted(weights.items(), key=lambda pair: -pair[1])
    )
    return (
        f"{WORDS[metric]}: {methods or told['method']}; tried on {tried['origins']} past dates its error was "
        f"{error:.2f} of what repeating last week makes (MASE)."
    )


def _draw_planned(planned: PlannedBudget, account: dict[str, Any], console: Console) -> None:
    currency = account["currency"] or ""
    heading = f"With a daily budget of {currency} {text.money(planned.daily_budget)}".replace("  ", " ")
    console.print(Text(heading, style="bold"))
    table = Table(box=None, pad_edge=False, header_style="dim", width=min(console.width, text.MAX_WIDTH))
    for column in (f"{planned.days} days", "as things go on", "planned, 80 %", "planned, 95 %"):
        table.add_column(column, justify="left" if column == f"{planned.days} days" else "right")
    for row in planned.totals.to_dicts():
        metric = row["target_metric"]
        table.add_row(
            WORDS[metric],
            _figure(metric, row["unplanned_value"]),
            _interval(metric, row, "80"),
            _interval(metric, row, "95"),
        )
    console.print(table)
    console.print(Text(_assumed(planned), style="dim"))
    if planned.is_extrapolation:
        console.print(Text(_far(planned), style="yellow"))


def _assumed(planned: PlannedBudget) -> str:
    share = (
        f"{text.share(planned.share_spent)} of the budget is spent, as lately"
        if planned.is_share_known
        else "All of the budget is taken to be spent, since no daily budget of the last days is known"
    )
    return (
        f"{share}, over the weekdays as forecast. Leads follow spend to the power of "
        f"{planned.elasticity:g} +- {planned.elasticity_sd:g}: an assumption, the same as behind the "
        "recommendations, not learnt from this entity."
    )


def _far(planned: PlannedBudget) -> str:
    if planned.times_recent is None:
        return "Nothing was spent lately: what this budget brings is a guess."
    return (
        f"That is {planned.times_recent:.2g} times what was spent lately. Beyond {FAR:g} times, up or down, "
        "this is extrapolation: nobody has seen the entity there."
    )


def _grid(console: Console, heading: str, metrics: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", width=min(console.width, text.MAX_WIDTH))
    table.add_column(heading, no_wrap=True, min_width=15)
    for metric in metrics:
        table.add_column(WORDS[metric], justify="right")
    return table


def _of(rows: pl.DataFrame, metric: str) -> pl.DataFrame:
    return rows.filter(pl.col("target_metric") == metric)


def _figure(metric: str, value: float | None) -> str:
    if value is None:
        return text.DASH
    if metric == "ctr":
        return text.share(value, 2)
    if metric == "leads":
        return f"{value:,.1f}"
    return text.count(value) if metric in METRICS and metric != "spend" else text.money(value)


def _interval(metric: str, figures: dict[str, Any], level: str) -> str:
    """`value [low–high]`; of a ratio without an upper bound its lower one."""
    low, high = figures[f"lower_{level}"], figures[f"upper_{level}"]
    value = _figure(metric, figures["value"])
    if low is None:
        return value

    def bound(number: float) -> str:
        return text.count(number) if metric in METRICS and metric != "spend" else _figure(metric, number)

    return f"{value} [{bound(low)} or more]" if high is None else f"{value} [{bound(low)}–{bound(high)}]"


# ------------------------------------------------------------------------------------ for machines


def as_document(outlook: Outlook, planned: PlannedBudget | None, metrics: Sequence[str]) -> dict[str, Any]:
    """The same as JSON can hold it: every day, both intervals, backtests and the planned budget."""
    document: dict[str, Any] = {
        "config_id": outlook.entity["config_id"],
        "entity_type": outlook.entity["entity_type"],
        "entity_id": outlook.entity["entity_id"],
        "name": outlook.entity["name"],
        "currency": outlook.account["currency"],
        "forecast_date": outlook.date.isoformat(),
        "horizon_days": outlook.days,
        "is_active": outlook.is_active,
        "insufficient_data": outlook.is_insufficient,
        "history_days": outlook.history_days,
        "metrics": {},
        "planned_budget": None,
    }
    if outlook.is_insufficient:
        return document
    for metric in metrics:
        told = _of(outlook.forecasts, metric).row(0, named=True)
        document["metrics"][metric] = {
            "method": told["method"],
            "backtest": json.loads(told["backtest"]) if told["backtest"] else None,
            "total": _total(outlook, metric),
            "days": [
                {**row, "target_date": row["target_date"].isoformat()}
                for row in _of(outlook.points, metric)
                .sort("target_date")
                .select("target_date", "predicted_value", *QUANTILES)
                .to_dicts()
            ],
        }
    if planned is not None:
        document["planned_budget"] = {
            "daily_budget": planned.daily_budget,
            "days": planned.days,
            "share_spent": planned.share_spent,
            "is_share_known": planned.is_share_known,
            "times_recent": planned.times_recent,
            "is_extrapolation": planned.is_extrapolation,
            "elasticity": planned.elasticity,
            "elasticity_sd": planned.elasticity_sd,
            "totals": {
                row["target_metric"]: {name: row[name] for name in ("value", *QUANTILES, "unplanned_value")}
                for row in planned.totals.to_dicts()
            },
        }
    return document
