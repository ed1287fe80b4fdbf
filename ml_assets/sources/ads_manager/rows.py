"""From a table of texts to typed rows of one level: which rows count, keys, days, numbers.

Raises where the file as a whole cannot be right. Single rows that cannot are only marked here, in the
column `problems`; `export.py` sets them aside. What counts as a lead is said in `leads.py`.
"""

import datetime as dt
from dataclasses import dataclass

import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.errors import UnreadableExportError
from ml_assets.sources.ads_manager.dates import AmbiguousDatesError, DateEvidence, parse_dates
from ml_assets.sources.ads_manager.ids import clean_id, mangled_example, name_keys, rounded_example
from ml_assets.sources.ads_manager.numbers import Kind, parse_columns
from ml_assets.sources.ads_manager.reading import HOW_TO_EXPORT, NEEDED, RawTable
from ml_assets.sources.ads_manager.words import TOTAL_PHRASE, TOTALS, plain_words

COUNTS = ("impressions", "reach", "link_clicks", "clicks", "results", "leads", "meta_leads", "website_leads")
FIGURES = ("spend", *COUNTS, "frequency")
BUDGETS = ("campaign_budget", "adset_budget", "budget")
OPTIONAL_NUMBERS = ("frequency", *BUDGETS)
"""Numbers without which the rest of the file is still right: left out, with a warning, when unclear."""

WITHOUT_CENTS = frozenset({"CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND"})
"""Currencies that Meta keeps without a minor unit."""

BY_DAY = "Choose Breakdown > By time > Day in Ads Manager, so that every row is one day, and export again"
AS_TEXT = (
    "Load the file as Ads Manager wrote it, without opening and saving it in a spreadsheet; or export as "
    "XLSX; or in "
    "the spreadsheet import the id columns as Text"
)


@dataclass(frozen=True)
class TypedRows:
    """Rows of one level with keys, days and numbers.

    `frame`: line, date, campaign_id, campaign_name, and the same of the levels below down to `level`;
    the figures of FIGURES and BUDGETS that the file has (Float64); texts (indicator, deliveries, budget
    types, ...); `problems` (list of reasons why the row cannot be right). `keyed_by_name` are levels
    whose ids are made of names. `totals` and `subtotals` count the rows that were skipped.
    """

    frame: pl.DataFrame
    level: EntityType
    keyed_by_name: tuple[EntityType, ...]
    totals: int
    subtotals: int
    currency: str | None
    warnings: tuple[str, ...]


def typed_rows(table: RawTable, last_date: dt.date) -> TypedRows:
    """Types the rows of a table. `last_date` is the last day that may have figures.

    Raises UnreadableExportError for a file that lacks what is needed, is not broken down by day, holds
    two currencies or accounts, has mangled ids, or numbers or dates that can be read in two ways.
    """
    _require_columns(table)
    currency = _currency(table)
    fields = table.headings.columns
    cells = table.rows.select(
        "line", *(pl.col(f"c{position}").alias(name) for name, position in fields.items())
    )
    level = _level(table, cells)
    entity_cells, totals, subtotals = _without_totals(cells, level)
    if entity_cells.is_empty():
        raise UnreadableExportError(
            f"{table.path} holds {cells.height} rows, and all of them are totals without a day of their own. "
            f"{BY_DAY}."
        )
    keyed, by_name = _keyed(table, entity_cells, level)
    dated = _dated(table, keyed, last_date)
    _require_one_account(table, dated)
    numbered, warnings = _numbered(table, dated, currency)
    return TypedRows(numbered, level, by_name, totals, subtotals, currency, warnings)


def _refuse(table: RawTable, sentence: str) -> UnreadableExportError:
    return UnreadableExportError(f"{table.path}: {sentence}")


def _require_columns(table: RawTable) -> None:
    has = table.headings.columns
    missing = []
    if "day" not in has and not {"starts", "ends"} <= set(has):
        missing.append("Day (or Reporting starts and Reporting ends)")
    if not any(f"{level}_{kind}" in has for level in LEVELS for kind in ("id", "name")):
        missing.append("Campaign name, Ad set name or Ad name")
    if "spend" not in has:
        missing.append("Amount spent (XXX)")
    if missing:
        found = ", ".join(repr(heading) for heading in table.headings.headings if heading)
        raise _refuse(
            table,
            f"missing columns: {'; '.join(missing)}. Found: {found[:600]}. Needed: {NEEDED}. "
            f"{HOW_TO_EXPORT}.",
        )


def _currency(table: RawTable) -> str | None:
    """The currency of the headings or of the column Currency; refuses two."""
    seen = set(table.headings.currencies)
    column = table.column("currency")
    if column is not None:
        codes = table.rows[column].str.to_uppercase().drop_nulls().unique()
        seen |= set(codes.filter(codes.str.contains(r"^[A-Z]{3}$")).to_list())
    spend = table.rows[table.column("spend") or ""]
    signs = spend.str.replace_all(r"[\d\s.,()+\-−\u00a0\u202f'’]", "").drop_nulls().unique()
    signs = signs.filter(signs.str.contains(r"\p{Sc}"))
    if len(seen) > 1 or signs.len() > 1:
        both = sorted(seen) if len(seen) > 1 else sorted(signs.to_list())
        raise _refuse(
            table,
            f"amounts in two currencies ({' and '.join(both)}) cannot be added up. Export one ad account at "
            "a time.",
        )
    return next(iter(seen), None)


def _names(columns: list[str], level: EntityType) -> list[str]:
    """The columns of a level (id, name) that are there."""
    return [name for name in (f"{level}_id", f"{level}_name") if name in columns]


def _any_filled(columns: list[str]) -> pl.Expr:
    return (
        pl.any_horizontal(pl.col(name).is_not_null() for name in columns) if columns else pl.lit(value=False)
    )


def _level(table: RawTable, cells: pl.DataFrame) -> EntityType:
    """The deepest level that any row names; refuses a file that does not name the levels above."""
    deepest = next(
        (
            level
            for level in reversed(LEVELS)
            if any(cells[name].null_count() < cells.height for name in _names(cells.columns, level))
        ),
        None,
    )
    if deepest is None:
        raise _refuse(table, f"no row names a campaign, ad set or ad. {HOW_TO_EXPORT}.")
    words = {"campaign": "Campaign", "adset": "Ad set", "ad": "Ad"}
    for level in deepest.path:
        if all(cells[name].null_count() == cells.height for name in _names(cells.columns, level)):
            word = words[level]
            raise _refuse(
                table,
                f"the rows are {deepest}s, but the file does not say to which {level} they belong. In Ads "
                "Manager add "
                f"the columns {word} name and {word} ID (Columns > Customise columns) and export again.",
            )
    return deepest


def _without_totals(cells: pl.DataFrame, level: EntityType) -> tuple[pl.DataFrame, int, int]:
    """The rows of entities, and how many totals and subtotals were left out."""
    named = [name for upper in level.path for name in _names(cells.columns, upper)]
    own = _names(cells.columns, level)
    total_day, no_day = pl.lit(value=False), pl.lit(value=False)
    if "day" in cells.columns:
        total_day = plain_words(pl.col("day")).is_in(TOTALS)
        no_day = pl.col("day").is_null()
    elif {"starts", "ends"} <= set(cells.columns):
        no_day = pl.col("starts").is_null() | (pl.col("starts") != pl.col("ends"))
    at_the_edge = (pl.int_range(pl.len()) == 0) | (pl.int_range(pl.len()) == pl.len() - 1)
    own_names = [name for name in own if name.endswith("_name")]
    total_name = (
        pl.any_horizontal(
            plain_words(pl.col(name)).is_in(TOTALS) | plain_words(pl.col(name)).str.contains(TOTAL_PHRASE)
            for name in own_names
        )
        if own_names
        else pl.lit(value=False)
    )
    marked = cells.with_columns(
        __names_own=_any_filled(own),
        __names_any=_any_filled(named),
        __edge=at_the_edge,
        __total_day=total_day.fill_null(value=False),
        __no_day=no_day.fill_null(value=True),
    ).with_columns(
        __total=pl.col("__total_day")
        | (~pl.col("__names_any") & (pl.col("__no_day") | pl.col("__edge")))
        | (pl.col("__no_day") & total_name.fill_null(value=False)),
    )
    is_subtotal = ~pl.col("__total") & pl.col("__names_any") & ~pl.col("__names_own")
    counts = marked.select(pl.col("__total").sum(), is_subtotal.sum().alias("subtotals")).row(0)
    rows = marked.filter(~pl.col("__total") & ~is_subtotal).select(cells.columns)
    return rows, int(counts[0]), int(counts[1])


def _keyed(
    table: RawTable, cells: pl.DataFrame, level: EntityType
) -> tuple[pl.DataFrame, tuple[EntityType, ...]]:
    """Every level's id and name, ids made of names where the file has none, and problems of keys."""
    by_name: list[EntityType] = []
    frame = cells
    for name in [f"{upper}_id" for upper in level.path if f"{upper}_id" in cells.columns] + ["account_id"]:
        if name in frame.columns:
            example = mangled_example(frame[name])
            if example is not None:
                raise _refuse(
                    table,
                    f"the ids in {table.heading(name)!r} were turned into numbers such as {example}. "
                    f"{AS_TEXT}.",
                )
            frame = frame.with_columns(clean_id(name))
    id_columns = [f"{upper}_id" for upper in level.path if f"{upper}_id" in frame.columns]
    in_numbers = [name for name in id_columns if table.column(name) in table.numeric]
    in_texts = [frame[name] for name in id_columns if name not in in_numbers]
    rounded = next(
        filter(None, (rounded_example(frame[name], are_numbers=True) for name in in_numbers)), None
    )
    if rounded is None and in_texts:
        rounded = rounded_example(pl.concat([ids.alias("id") for ids in in_texts]), are_numbers=False)
    if rounded is not None:
        raise _refuse(
            table,
            f"a spreadsheet has rounded the ids to 15 digits (such as {rounded}), so they name nothing. "
            f"{AS_TEXT}.",
        )
    problems: list[pl.Expr] = []
    words = {"campaign": "campaign", "adset": "ad set", "ad": "ad"}
    for upper in level.path:
        id_name, name = f"{upper}_id", f"{upper}_name"
        if id_name not in frame.columns or frame[id_name].null_count() == frame.height:
            by_name.append(upper)
            parent = f"{upper.parent}_id" if upper.parent else None
            frame = frame.with_columns(name_keys(frame, parent, name).alias(id_name))
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, pl.String).alias(name))
        missing = "the row names no" if upper == level else "orphan: the row names no"
        column = "id" if upper not in by_name else "name"
        problems.append(
            pl.when(pl.col(id_name).is_null()).then(pl.lit(f"{missing} {words[upper]} ({column} is blank)"))
        )
    return frame.with_columns(problems=pl.concat_list(problems).list.drop_nulls()), tuple(by_name)


def _dated(table: RawTable, frame: pl.DataFrame, last_date: dt.date) -> pl.DataFrame:
    """Adds `date`; refuses a file that is not broken down by day or whose dates read in two ways."""
    certain = DateEvidence(language=table.headings.language, last=last_date)
    period: dict[str, pl.Series] = {}
    for name in ("starts", "ends"):
        if name in frame.columns:
            try:
                period[name] = parse_dates(frame[name], certain)
            except AmbiguousDatesError as error:
                if "day" not in frame.columns:
                    raise _two_dates(table, name, error) from error
    if "day" in frame.columns:
        evidence = certain
        if {"starts", "ends"} <= set(period):
            first, last = period["starts"].min(), period["ends"].max()
            if isinstance(first, dt.date) and isinstance(last, dt.date):
                evidence = DateEvidence(certain.language, first, min(last, last_date))
        try:
            days = parse_dates(frame["day"], evidence)
        except AmbiguousDatesError as error:
            raise _two_dates(table, "day", error) from error
        text = "day"
    else:
        days, text = period["starts"], "starts"
        ranges = (period["starts"] != period["ends"]).sum()
        if ranges:
            raise _refuse(
                table,
                f"not broken down by day: {ranges} of {frame.height} rows are sums over a range of days "
                "(Reporting starts "
                f"and Reporting ends differ), and a sum cannot be taken apart. {BY_DAY}.",
            )
    frame = frame.with_columns(days.alias("date"))
    unreadable = (
        pl.when(pl.col("date").is_null() & pl.col(text).is_not_null())
        .then(pl.format("the day {} is not a date", pl.col(text)))
        .when(pl.col("date").is_null())
        .then(pl.lit("the row has no date"))
    )
    return frame.with_columns(problems=_append(unreadable))


def _append(*reasons: pl.Expr) -> pl.Expr:
    return pl.concat_list("problems", *reasons).list.drop_nulls()


def _two_dates(table: RawTable, name: str, error: AmbiguousDatesError) -> UnreadableExportError:
    heading = table.heading(name)
    if error.is_mixed:
        return _refuse(
            table,
            f"the column {heading!r} has days written in two ways (such as {error.example}). Export again "
            "and load the file "
            f"without saving it in a spreadsheet.",
        )
    return _refuse(
        table,
        f"{error.example} in the column {heading!r} may be either of two days. Export a longer time range, "
        "or load the file "
        f"as Ads Manager wrote it (2025-12-31), without saving it in a spreadsheet.",
    )


def _require_one_account(table: RawTable, frame: pl.DataFrame) -> None:
    name = next((name for name in ("account_id", "account_name") if name in frame.columns), None)
    if name is None:
        return
    accounts = frame[name].drop_nulls().unique().sort()
    if accounts.len() > 1:
        raise _refuse(
            table,
            f"rows of {accounts.len()} ad accounts ({', '.join(accounts.head(3).to_list())}). An account has "
            "its own "
            f"currency, time zone and target: export one ad account at a time.",
        )


def _numbered(
    table: RawTable, frame: pl.DataFrame, currency: str | None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Numbers for the texts of figures and budgets; warnings about those that were left out."""
    money: Kind = "whole_money" if currency in WITHOUT_CENTS else "decimal"
    kinds: dict[str, Kind] = {name: "count" for name in COUNTS if name in frame.columns}
    kinds |= {name: money for name in ("spend", *BUDGETS) if name in frame.columns}
    kinds |= {"frequency": "decimal"} if "frequency" in frame.columns else {}
    budgets = [name for name in BUDGETS if name in frame.columns]
    # "Using campaign budget" is no number and no fault: the other level owns the budget.
    texts = frame.with_columns(
        pl.when(pl.col(name).str.contains(r"\d")).then(pl.col(name)) for name in budgets
    )
    numeric = frozenset(name for name in kinds if table.column(name) in table.numeric)
    parsed, errors = parse_columns(texts, kinds, numeric)
    warnings: list[str] = []
    for name, error in errors.items():
        heading = table.heading(name)
        if name not in OPTIONAL_NUMBERS:
            how = "is written in two ways" if error.is_mixed else "may be a thousand or a decimal fraction"
            raise _refuse(
                table,
                f"the numbers in {heading!r} cannot be read for certain: {error.example} {how}. Load the "
                "file as Ads Manager "
                f"wrote it, without saving it in a spreadsheet.",
            )
        warnings.append(f"{heading} was left out: {error.example} can be read in two ways.")
    reasons: list[pl.Expr] = []
    for name, numbers in parsed.items():
        bad = int(numbers.is_bad.sum())
        if not bad:
            continue
        if name in OPTIONAL_NUMBERS:
            warnings.append(f"{bad} cells of {table.heading(name)} are no numbers and were left out.")
        else:
            word = "whole number" if name in COUNTS else "number"
            reason = pl.format("{} is not a {} ({})", pl.lit(name), pl.lit(word), pl.col(name))
            reasons.append(pl.when(pl.lit(numbers.is_bad)).then(reason))
    if reasons:
        frame = frame.with_columns(problems=_append(*reasons))
    values = [
        parsed[name].values.alias(name) if name in parsed else pl.lit(None, pl.Float64).alias(name)
        for name in kinds
    ]
    return frame.with_columns(values), tuple(warnings)
