"""The open incidents of an account on a date, and how incidents are drawn for a terminal or a pipe."""

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
from ml_assets.anomalies.frames import ACCOUNT
from ml_assets.entities import EntityType
from ml_assets.report import text
from ml_assets.storage.incidents import read_open_incidents

SEVERITY_STYLES = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow", "LOW": "dim"}

SHORT = 8
"""Digits of an id that are shown; they are accepted back."""

NOT_NEWS = ("EXPECTED", "FALSE_ALARM", "NEW_NORMAL")
"""Answers after which an incident need not be shown again."""

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

    @property
    def issued(self) -> pl.DataFrame:
        """What a person is told of: issued, and not yet answered with what makes it no news."""
        return self.rows.filter("is_issued", ~self._is_answered())

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
    """The incidents of an account that were open on `date`, rooted at these levels or at the account."""
    rows = read_open_incidents(connection, [config_id], date)
    roots = [ACCOUNT, *(level.value for level in levels)]
    return OpenIncidents(rows.filter(pl.col("entity_type").is_in(roots)))


def draw_open_incidents(incidents: OpenIncidents, console: Console, *, top: int) -> None:
    """Print what is open, most pressing first, and how much else there is."""
    issued = incidents.issued
    console.print()
    heading = "Open incidents, most pressing first" if issued.height else "Open incidents: none"
    console.print(Text(heading, style="bold"))
    if issued.height:
        draw_incidents(issued.head(top), console)
    more = list(_more(incidents, max(0, issued.height - top)))
    if more:
        console.print(Text(f"{', '.join(more)}; `ml-assets incidents list --all` shows them.", style="dim"))


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
        cell = Text(
            text.clean(row["description"], f"{row['kind']} of {row['entity_type']} {row['entity_id']}")
        )
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
