"""The section of a report on what comes: per level the largest entities, their next days with intervals."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml_assets.entities import LEVELS, EntityType
from ml_assets.forecasts.frames import FORECASTS, METRICS, SCORED_POINTS, UNATTRIBUTED
from ml_assets.forecasts.scoring import inside_80
from ml_assets.frames import empty
from ml_assets.report import text
from ml_assets.report.incidents import BARS
from ml_assets.storage.forecasts import read_current_forecasts, read_scored_points
from ml_assets.storage.reads import read_entities

SCORED_DAYS = 28
"""Days before the date whose forecasts are looked back on."""

CURRENT_DAYS = 7
"""A forecast made so many days before the date of the report or later is shown."""


@dataclass(frozen=True)
class CurrentForecasts:
    """What is foreseen for an account, and how well the days before the date were."""

    forecasts: pl.DataFrame
    """FORECASTS that count, with `name`."""
    points: pl.DataFrame
    """SCORED_POINTS of these."""
    scored: pl.DataFrame
    """SCORED_POINTS of the last four weeks."""


def read_account_forecasts(
    connection: sa.Connection, config_id: int, date: dt.date, levels: Sequence[EntityType] = LEVELS
) -> CurrentForecasts:
    """The forecasts of an account that count on `date`: the newest made by then, not older than a week."""
    forecasts, points = read_current_forecasts(
        connection,
        [config_id],
        levels,
        before=date + dt.timedelta(days=1),
        since=date - dt.timedelta(days=CURRENT_DAYS),
    )
    names = read_entities(connection, LEVELS, [config_id]).select("entity_type", "entity_id", "name")
    since = date - dt.timedelta(days=SCORED_DAYS - 1)
    scored = [read_scored_points(connection, level, [config_id], since, date) for level in levels]
    return CurrentForecasts(
        forecasts=forecasts.join(names, on=["entity_type", "entity_id"], how="left"),
        points=points,
        scored=pl.concat([empty(SCORED_POINTS), *scored]),
    )


def draw_forecasts(found: CurrentForecasts, console: Console, *, top: int = 5) -> None:
    """Print the section: `top` entities per level by the spend to come, totals with 80 % intervals."""
    console.print()
    if found.forecasts.is_empty():
        console.print(Text("What comes", style="bold"))
        console.print(
            Text(
                "There are no forecasts yet; `ml-assets run --assets forecasts` makes them, and "
                "`ml-assets forecast NAME` looks ahead for one entity at once.",
                style="dim",
            )
        )
        return
    horizon = int(found.forecasts["horizon_days"].max())  # type: ignore[arg-type]
    made = found.forecasts["forecast_date"].max()
    console.print(Text(f"What comes in the {horizon} days after {made}, with 80 % intervals", style="bold"))
    table = Table(
        box=None,
        pad_edge=False,
        show_edge=False,
        header_style="dim",
        width=min(console.width, text.MAX_WIDTH),
    )
    table.add_column("name", no_wrap=True, overflow="ellipsis", ratio=1)
    for heading in ("spend", "leads", "cost per lead"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("by day", no_wrap=True)
    for level in LEVELS:
        rows = _level(found.forecasts, level)
        if rows.is_empty():
            continue
        table.add_row(Text(f"{level.value}s", style="dim"))
        shown = rows.head(top)
        lines = _lines(found.points, shown)
        for row in shown.to_dicts():
            table.add_row(*_cells(row), lines.get(row["entity_id"], ""))
    console.print(table)
    too_young = found.forecasts.filter("insufficient_data")["entity_id"].n_unique()
    sentences = [_looking_back(found.scored)]
    if too_young:
        verb = "entity has" if too_young == 1 else "entities have"
        sentences.append(f"{too_young} {verb} fewer than three days of history and no forecast.")
    console.print(Text(" ".join(sentences), style="dim"))


def _level(forecasts: pl.DataFrame, level: EntityType) -> pl.DataFrame:
    """One row per entity: totals of spend, leads and cpl side by side, largest spend first."""
    wide = (
        forecasts.filter(
            pl.col("entity_type") == level.value,
            pl.col("target_metric").is_in(["spend", "leads", "cpl"]),
            ~pl.col("insufficient_data"),
        )
        .pivot(
            on="target_metric",
            on_columns=["spend", "leads", "cpl"],
            index=["entity_id", "name"],
            values=["total_value", "total_lower_80", "total_upper_80"],
        )
        .filter(pl.col("total_value_spend") > 0)
    )
    return wide.sort("total_value_spend", "entity_id", descending=[True, False])


def _cells(row: dict[str, object]) -> list[Text]:
    identity = str(row["entity_id"])
    otherwise = "not attributed" if identity.startswith(UNATTRIBUTED) else identity
    cells = [Text(text.clean(row["name"] if isinstance(row["name"], str) else None, otherwise))]
    for metric, form in (("spend", text.money), ("leads", text.count), ("cpl", text.money)):
        middle, low, high = (row[f"total_{part}_{metric}"] for part in ("value", "lower_80", "upper_80"))
        is_known = isinstance(middle, float) and isinstance(low, float) and isinstance(high, float)
        cells.append(Text(text.interval(middle, low, high, form) if is_known else text.DASH))  # type: ignore[arg-type]
    return cells


def _lines(points: pl.DataFrame, rows: pl.DataFrame) -> dict[str, str]:
    """entity_id -> its leads day by day as bars, the highest day of the entity as the full one."""
    bar = pl.lit(pl.Series(list(BARS))).implode()
    level = (
        pl.col("predicted_value") / pl.col("predicted_value").max().over("entity_id") * (len(BARS) - 1)
    ).round()
    drawn = (
        points.filter(
            pl.col("target_metric") == "leads", pl.col("entity_id").is_in(rows["entity_id"].implode())
        )
        .sort("target_date")
        .with_columns(bar=bar.list.get(level.fill_nan(0).fill_null(0).cast(pl.Int64)))
        .group_by("entity_id", maintain_order=True)
        .agg(pl.col("bar").str.join())
    )
    return dict(drawn.iter_rows())


def _looking_back(scored: pl.DataFrame) -> str:
    """How many of the days that have come fell within their intervals, in words."""
    came = scored.filter(pl.col("target_metric").is_in(METRICS), pl.col("actual_value").is_not_null())
    if came.is_empty():
        return "No day of an earlier forecast has come yet."
    share = came.select(inside_80().mean()).item()
    return f"Of {came.height:,} figures forecast before, {text.share(share)} came within their 80 % interval."


def no_forecasts() -> CurrentForecasts:
    """Nothing foreseen."""
    return CurrentForecasts(
        empty(FORECASTS).with_columns(name=pl.lit(None, pl.String)),
        empty(SCORED_POINTS),
        empty(SCORED_POINTS),
    )
