"""One call from a file to a delivery: `read_export`, and `AdsManagerExport`, the source made of it.

A pure reading: nothing is stored here. The steps live in the other modules of this package.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from ml_assets.entities import EntityType
from ml_assets.frames import INSIGHTS, fill_missing
from ml_assets.sources.ads_manager.duplicates import one_row_per_day
from ml_assets.sources.ads_manager.entities import entities_of
from ml_assets.sources.ads_manager.leads import CountedLeads, count_leads
from ml_assets.sources.ads_manager.reading import RawTable, read_table
from ml_assets.sources.ads_manager.rows import TypedRows, typed_rows
from ml_assets.sources.ads_manager.words import LEAD_ACTIONS
from ml_assets.sources.checks import (
    RowCheck,
    date_checks,
    figure_checks,
    last_possible_date,
    odd_rows,
    require_rows,
    set_aside,
)
from ml_assets.sources.protocol import AccountInfo, Delivery

UNNAMED_ACCOUNT = "ads-manager-export"
"""Account id of a file that does not name its account: the same for the next file."""

WITHOUT = {
    "impressions": "CPM and CTR, creative fatigue and the count of active days are switched off",
    "clicks": "CTR, CPC and CVR are switched off (the column is called Clicks (all), and is not Link clicks)",
    "link_clicks": "link click figures are switched off",
    "reach": "reach and frequency, and so creative fatigue and audience overlap, are switched off",
}
"""Figure -> what is switched off where the file lacks it."""


@dataclass(frozen=True)
class Export:
    """What one file of Ads Manager holds.

    `delivery` has null config_ids until the account has its key. `level` is the level of the rows,
    `start` and `end` the first and last day with figures, `known_at` when the figures count as read.
    `assumptions` are sentences about what the file does not say, and how to change it.
    `rows` counts the rows of entities, `totals` those of totals, which were skipped,
    `without_delivery` those of days without any figure.
    """

    account: AccountInfo
    delivery: Delivery
    level: EntityType
    start: dt.date
    end: dt.date
    known_at: dt.datetime
    assumptions: tuple[str, ...]
    rows: int
    totals: int
    without_delivery: int


def read_export(
    path: str | Path,
    *,
    known_at: dt.datetime | None = None,
    conversion_actions: Sequence[str] | None = None,
    account_id: str | None = None,
) -> Export:
    """Reads an Ads Manager export (CSV or XLSX), broken down by day.

    `known_at`: when the figures were read from Meta; default now. A time before the end of the last day
    in the file is lifted to it, with a warning. `conversion_actions`: Meta action types that count as
    leads; default the usual lead actions. `account_id`: names the account where the file does not, or
    otherwise than the file.

    Raises UnreadableExportError for a file that is no daily export or cannot be right as a whole,
    NothingLoadableError where every row was set aside; both say what to do.
    """
    now = dt.datetime.now(dt.UTC)
    read_at = known_at.astimezone(dt.UTC) if known_at is not None else now
    table = read_table(path)
    last_date = last_possible_date(max(read_at, now))
    typed = typed_rows(table, last_date)
    counted = count_leads(typed.frame, typed.level, conversion_actions)
    key = f"{typed.level}_id"
    source = table.path.name

    checks = [
        RowCheck(pl.col("problems").list.len() > 0, pl.col("problems").list.join("; ")),
        date_checks(last_date)[1],
        *figure_checks(counted.frame.columns),
    ]
    checked = set_aside(counted.frame, checks, source=source, rejected_at=now, raw=table.as_it_stood())
    single = one_row_per_day(
        table, checked.kept, key, is_keyed_by_name=typed.level in typed.keyed_by_name, rejected_at=now
    )
    rejected = pl.concat([checked.rejected, single.rejected]).sort("line")
    figures = [
        name
        for name in ("spend", "impressions", "clicks", "link_clicks", "leads")
        if name in single.kept.columns
    ]
    delivered = single.kept.filter(pl.any_horizontal(pl.col(name).fill_null(0) != 0 for name in figures))
    require_rows(delivered, rejected, str(table.path))

    start, end = delivered.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    warnings = [*typed.warnings, *single.warnings, *odd_rows(delivered), *_missing(table, counted, delivered)]
    if typed.subtotals:
        warnings.append(
            f"{typed.subtotals} rows name no {typed.level} and were skipped as subtotals of the rows that do."
        )
    end_of_data = dt.datetime.combine(end + dt.timedelta(days=1), dt.time(), dt.UTC)
    if known_at is not None and read_at < end_of_data:
        warnings.append(
            f"The figures were said to be read at {read_at:%Y-%m-%d %H:%M} UTC, before the end of {end}; the "
            "end of that day was "
            f"taken instead."
        )
        read_at = end_of_data
    return Export(
        account=_account(typed, counted, account_id),
        delivery=Delivery(
            entities=entities_of(checked.kept, typed.level, counted.counted, read_at),
            insights=_insights(delivered, typed.level, read_at),
            rejected=rejected,
            warnings=tuple(warnings),
        ),
        level=typed.level,
        start=start,
        end=end,
        known_at=read_at,
        assumptions=tuple(_assumptions(table, typed, counted, conversion_actions, account_id)),
        rows=typed.frame.height,
        totals=typed.totals,
        without_delivery=single.kept.height - delivered.height,
    )


def _insights(frame: pl.DataFrame, level: EntityType, known_at: dt.datetime) -> pl.DataFrame:
    """Delivered rows in the schema of INSIGHTS. Ads Manager leaves zeros blank, but for unique counts."""
    zero = [name for name in ("spend", "impressions", "clicks", "link_clicks") if name in frame.columns]
    return frame.with_columns(
        pl.lit(None, pl.Int64).alias("config_id"),
        pl.lit(level.value).alias("entity_type"),
        pl.col(f"{level}_id").alias("entity_id"),
        pl.lit(1).alias("window_days"),
        pl.lit(known_at).alias("known_at"),
        *(pl.col(name).fill_null(0) for name in zero),
    ).pipe(fill_missing, INSIGHTS)


def _missing(table: RawTable, counted: CountedLeads, delivered: pl.DataFrame) -> list[str]:
    """Sentences about figures that the file lacks."""
    lacks = [
        f"The file has no column for {name}: {off}. Add the column in Ads Manager to have them."
        for name, off in WITHOUT.items()
        if name not in table.headings.columns
    ]
    unknown = delivered["leads"].null_count()
    if unknown == delivered.height:
        why = (
            f"its results are {', '.join(counted.other_actions[:5])}"
            if counted.other_actions
            else "it has neither a column Leads nor Results with a Result indicator"
        )
        lacks.append(
            f"No row of the file has known leads ({why}): nothing can be judged by leads. Add the columns "
            "Result indicator and "
            "Leads, or name the action that is a lead: ml-assets accounts set CONFIG_ID "
            "--conversion-actions ACTION, and load "
            f"the file again."
        )
    elif unknown:
        others = ", ".join(counted.other_actions[:5]) or "not named"
        lacks.append(
            f"{unknown} of {delivered.height} rows have no known leads, since their results are something "
            f"else ({others}); a blank result is not zero leads there. Add the column Leads to have them."
        )
    return lacks


def _account(typed: TypedRows, counted: CountedLeads, account_id: str | None) -> AccountInfo:
    said = {
        name: typed.frame[name].drop_nulls().first()
        for name in ("account_id", "account_name")
        if name in typed.frame.columns and typed.frame[name].null_count() < typed.frame.height
    }
    name = said.get("account_name")
    return AccountInfo(
        account_id=str(account_id or said.get("account_id") or name or UNNAMED_ACCOUNT)[:100],
        name=str(name or said.get("account_id") or account_id or "Ads Manager export"),
        currency=typed.currency,
        conversion_actions=counted.actions,
    )


def _assumptions(
    table: RawTable,
    typed: TypedRows,
    counted: CountedLeads,
    conversion_actions: Sequence[str] | None,
    account_id: str | None,
) -> list[str]:
    """What the file does not say and what is taken for it, each with the way to change it."""
    change = "ml-assets accounts set CONFIG_ID"
    sentences = [
        "Days are days of the account's time zone, which no export names; that of the settings is taken. "
        "Change it with "
        f"{change} --timezone America/Sao_Paulo."
    ]
    if typed.currency is None:
        sentences.append(
            f"The file does not name its currency, so amounts have none. Change it with {change} --currency "
            "BRL."
        )
    if account_id is None and not {"account_id", "account_name"} & set(table.headings.columns):
        sentences.append(
            f"The file does not name its account, so it is taken for {UNNAMED_ACCOUNT!r}, as the next such "
            "file will be. Add the "
            "columns Account name and Account ID, or give the account id when loading, to keep several "
            "accounts apart."
        )
    if conversion_actions is None:
        how = counted.how or "No lead is counted"
        default = "" if counted.actions else f" ({', '.join(LEAD_ACTIONS)})"
        sentences.append(f"{how}{default}. Change what counts with {change} --conversion-actions ACTION.")
    if typed.keyed_by_name:
        levels = ", ".join(f"{level}s" for level in typed.keyed_by_name)
        sentences.append(
            f"The file has no ids of {levels}: they are known by their names under their parent, so a "
            "renamed one counts as new. "
            f"Add the ID columns to the export to change that."
        )
    if any(name.endswith("budget") for name in table.headings.columns) and not any(
        name.endswith("budget_type") for name in table.headings.columns
    ):
        sentences.append(
            "Budgets are taken for daily ones. Add the column Ad set budget type or Campaign budget type "
            "where some are lifetime."
        )
    return sentences


class AdsManagerExport:
    """An Ads Manager export as an `InsightsSource`; the file is read at the first call."""

    def __init__(
        self,
        path: str | Path,
        *,
        known_at: dt.datetime | None = None,
        conversion_actions: Sequence[str] | None = None,
        account_id: str | None = None,
    ) -> None:
        self.path = Path(path)
        self._known_at = known_at
        self._conversion_actions = tuple(conversion_actions) if conversion_actions else None
        self._account_id = account_id

    @cached_property
    def export(self) -> Export:
        """Everything the file holds; raises as `read_export` does."""
        return read_export(
            self.path,
            known_at=self._known_at,
            conversion_actions=self._conversion_actions,
            account_id=self._account_id,
        )

    def account(self) -> AccountInfo:
        """The account as far as the file names it."""
        return self.export.account

    def entities(self) -> Delivery:
        """All entities the file names, on its own level and the levels above."""
        return Delivery(entities=self.export.delivery.entities, warnings=self.export.delivery.warnings)

    def insights(
        self, entity_types: Sequence[EntityType], start: dt.date, end: dt.date, known_at: dt.datetime
    ) -> Delivery:
        """The rows of the file on these levels and days; none where the file was read after `known_at`."""
        delivery = self.export.delivery
        wanted = delivery.insights.filter(
            pl.col("entity_type").is_in([level.value for level in entity_types]),
            pl.col("date").is_between(start, end),
            pl.col("known_at") <= known_at,
        )
        return Delivery(insights=wanted, rejected=delivery.rejected, warnings=delivery.warnings)
