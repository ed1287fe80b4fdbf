"""The open and lately closed incidents of an account on a date, and how they are drawn in text."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml_assets.anomalies.attribution import read_attribution, read_series
from ml_assets.anomalies.frames import ACCOUNT, NOT_NEWS
from ml_assets.entities import EntityType
from ml_assets.report import text
from ml_assets.storage.incidents import read_closed_incidents, read_open_incidents

SEVERITY_STYLES = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow", "LOW": "dim"}

SHORT = 8
"""Digits of an id that are shown; they are accepted back."""

CLOSED_DAYS = 14
"""Days for which an incident that is over is told where none is open."""

CLOSED_SHOWN = 3

BARS = "▁▂▃▄▅▆▇█"
ONSET_MARK = "┊"
MISSING = " "

METRIC_WORDS = {
    "spend": "spend",
    "cpm": "CPM",
    "ctr": "click-through rate",
    "cvr": "lead rate",
    "cpl": "cost per lead",
}
"""Metrics that are not called what they are named."""


@dataclass(frozen=True)
class OpenIncidents:
    """The incidents of an account that are open on a date, as `read_open_incidents` gives them."""

    rows: pl.DataFrame
    closed: pl.DataFrame
    """Those that ended in the last `CLOSED_DAYS` days, as `read_closed_incidents` gives them."""

    @property
    def issued(self) -> pl.DataFrame:
        """What a person is told of: issued, and not yet answered with what makes it no news."""
        return self.rows.filter("is_issued", ~self._is_answered())

    @property
    def lately_closed(self) -> pl.DataFrame:
        """The same of those that are over, the last one first; without those that became part of another."""
        is_merged = read_attribution(self.closed)["merged_into"].is_not_null()
        return self.closed.filter("is_issued", ~self._is_answered(), ~is_merged)

    @property
    def answered(self) -> int:
        """How many of the issued people have called expected, a false alarm or the new normal."""
        return self.rows.filter("is_issued", self._is_answered()).height

    @property
    def below_the_fold(self) -> int:
        """How many the day's budget of alerts had no room for, or are good news."""
        return self.rows.filter(~pl.col("is_issued")).height

    def _is_answered(self) -> pl.Expr:
        return pl.col("feedback").is_in(NOT_NEWS).fill_null(value=False)


def read_account_incidents(
    connection: sa.Connection, config_id: int, date: dt.date, levels: Sequence[EntityType]
) -> OpenIncidents:
    """The incidents of an account that were open on `date`, and those that had ended lately.

    Rooted at these levels or at the account.
    """
    since = date - dt.timedelta(days=CLOSED_DAYS - 1)
    is_asked = pl.col("entity_type").is_in([ACCOUNT, *(level.value for level in levels)])
    return OpenIncidents(
        read_open_incidents(connection, [config_id], date).filter(is_asked),
        read_closed_incidents(connection, [config_id], since, date).filter(is_asked),
    )


def draw_open_incidents(incidents: OpenIncidents, console: Console, *, top: int) -> None:
    """Print what is open, most pressing first, else what is over lately, and how much else there is."""
    issued = incidents.issued
    console.print()
    heading = "Open incidents, most pressing first" if issued.height else "Open incidents: none"
    console.print(Text(heading, style="bold"))
    if issued.height:
        draw_incidents(issued.head(top), console)
    elif incidents.lately_closed.height:
        _draw_closed(incidents.lately_closed, console)
    more = list(_more(incidents, max(0, issued.height - top)))
    if more:
        console.print(Text(f"{', '.join(more)}; `ml-assets incidents list --all` shows them.", style="dim"))


def _draw_closed(rows: pl.DataFrame, console: Console) -> None:
    """Print the last incidents that are over: severity, and the sentence with its money and its end."""
    shown = rows.head(CLOSED_SHOWN)
    text_of = f"{shown.height} of {rows.height}" if rows.height > shown.height else f"{rows.height}"
    console.print(Text(f"Over in the last {CLOSED_DAYS} days ({text_of}):", style="dim"))
    table = Table(box=None, show_header=False, pad_edge=False, width=min(console.width, text.MAX_WIDTH))
    table.add_column("severity", no_wrap=True)
    table.add_column("what happened", ratio=1, overflow="fold")
    for row in shown.to_dicts():
        table.add_row(Text((row["severity"] or text.DASH).lower(), style="dim"), Text(_sentence(row)))
    console.print(table)
    if rows.height > shown.height:
        console.print(Text("`ml-assets incidents list --status closed` shows all.", style="dim"))


def _sentence(row: dict[str, Any]) -> str:
    return text.clean(row["description"], f"{row['kind']} of {row['entity_type']} {row['entity_id']}")


def draw_incidents(rows: pl.DataFrame, console: Console) -> None:
    """Print incidents (columns of `ml_incidents`): severity, the sentence, its series in small, its state."""
    table = Table(box=None, show_header=False, pad_edge=False, width=min(console.width, text.MAX_WIDTH))
    table.add_column("severity", no_wrap=True)
    table.add_column("what happened", ratio=1, overflow="fold")
    # a console that cannot write the bars prints none
    has_bars = not console.options.ascii_only
    lines = sparklines(rows) if has_bars else [""] * rows.height
    documents = read_attribution(rows).select("metric", days=pl.col("series").list.len())
    for row, document, line in zip(rows.to_dicts(), documents.to_dicts(), lines, strict=True):
        style = SEVERITY_STYLES.get(row["severity"] or "", "")
        cell = Text(_sentence(row))
        cell.append("\n")
        before, mark, after = line.partition(ONSET_MARK)
        cell.append(before, style="dim")
        cell.append(mark + after, style=style)
        cell.append(("  " if line else "") + "  ".join(_about(row | document)), style="dim")
        table.add_row(Text((row["severity"] or text.DASH).lower(), style=style), cell)
    console.print(table)


def sparklines(rows: pl.DataFrame) -> list[str]:
    """The series of each row as bars from 0 to the highest value, with `ONSET_MARK` before its first day.

    A day without a value is blank; an incident without a series is an empty text.
    """
    onsets = rows.select("onset_date", "last_date").with_row_index("row")
    level = (pl.col("observed") / pl.col("observed").max().over("row") * (len(BARS) - 1)).round()
    bar = (
        pl.when(pl.col("observed") == 0)
        .then(pl.lit(BARS[0]))
        .otherwise(level.cast(pl.Int64, strict=False).replace_strict(dict(enumerate(BARS)), default=None))
        .fill_null(MISSING)
    )
    is_onset = pl.col("date") == pl.col("onset_date")
    drawn = (
        read_series(rows)
        .join(onsets, on="row", how="left", maintain_order="left")
        .with_columns(bar=pl.when(is_onset).then(pl.lit(ONSET_MARK) + bar).otherwise(bar))
        .group_by("row", maintain_order=True)
        .agg(pl.col("bar").str.join(""))
    )
    told = onsets.join(drawn, on="row", how="left", maintain_order="left")
    return told["bar"].fill_null("").to_list()


def _about(row: dict[str, Any]) -> Iterator[str]:
    """What stands beside the bars: the metric and its days, the id, and what people did."""
    if row["metric"] and row["days"]:
        metric = METRIC_WORDS.get(row["metric"], row["metric"])
        yield f"{metric}, {row['days']} days to {row['evaluated_date']}"
    yield str(row["incident_id"] or "")[:SHORT]
    state = state_in_words(row)
    if state:
        yield state


def state_in_words(row: dict[str, Any]) -> str:
    """What people did with an incident; empty where nobody did anything."""
    parts: list[str] = []
    if row["feedback"]:
        parts.append(f"called {row['feedback'].lower().replace('_', ' ')}")
    if row["acknowledged_at"] or row["acknowledged_by"]:
        parts.append(f"acknowledged by {row['acknowledged_by'] or 'somebody'}")
    said = ", ".join(parts)
    notes = text.clean(row["resolution_notes"], "")
    return f"{said}: {notes}" if said and notes else said


def _more(incidents: OpenIncidents, beyond: int) -> Iterator[str]:
    if beyond:
        yield f"{beyond} more issued"
    if incidents.below_the_fold:
        yield f"{incidents.below_the_fold} below the fold"
    if incidents.answered:
        yield f"{incidents.answered} that people have answered"
