"""Days as exports and spreadsheets write them: ISO, 31/12/2025, 12/31/2025, 31.12.2025, Nov 1, 2025.

Whether the day or the month stands first is decided per column; a column that leaves it open is refused.
"""

import datetime as dt
from dataclasses import dataclass

import polars as pl

_MONTHS = {
    1: ("jan", "ene"), 2: ("feb", "fev"), 3: ("mar",), 4: ("apr", "abr"), 5: ("may", "mai"), 6: ("jun",),
    7: ("jul",), 8: ("aug", "ago"), 9: ("sep", "set"), 10: ("oct", "out"), 11: ("nov",),
    12: ("dec", "dez", "dic"),
}  # fmt: skip
MONTH_OF = {name: number for number, names in _MONTHS.items() for name in names}
"""First three letters of a month in English, Portuguese and Spanish -> its number."""

CENTURY = 100
"""Years below are written with two digits and belong to this century."""

EXCEL_EPOCH = dt.date(1899, 12, 30)

_ISO = r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$"
_NUMERIC = r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})$"
_TIME = r"[T ,]+\d{1,2}:\d{2}.*$"


class AmbiguousDatesError(ValueError):
    """A column in which 01/02/2025 may be either day; `example` is one of its cells."""

    def __init__(self, example: str, *, is_mixed: bool) -> None:
        super().__init__(example)
        self.example = example
        self.is_mixed = is_mixed


@dataclass(frozen=True)
class DateEvidence:
    """What helps to tell day from month: the language of the headings, and bounds that are certain.

    `first`, `last`: the period of the report where it is known; `last` at the latest tomorrow.
    """

    language: str = "en"
    first: dt.date | None = None
    last: dt.date | None = None


def _date(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    """A date of three number expressions; null where there is no such day."""
    text = pl.format(
        "{}-{}-{}",
        year.cast(pl.String),
        month.cast(pl.String).str.zfill(2),
        day.cast(pl.String).str.zfill(2),
    )
    return text.str.to_date("%Y-%m-%d", strict=False)


def _number(pattern: str, group: int, source: str = "x") -> pl.Expr:
    return pl.col(source).str.extract(pattern, group).cast(pl.Int32, strict=False)


def parse_dates(cells: pl.Series, evidence: DateEvidence | None = None) -> pl.Series:
    """The days of a text column; null where blank or no day.

    Raises AmbiguousDatesError where the two readings of 01/02/2025 differ and nothing decides: no day
    over 12, neither reading within the period of the report alone, neither alone a run of days without
    a gap, and headings in English.
    """
    evidence = evidence or DateEvidence()
    texts = cells.alias("raw").to_frame()
    distinct = texts.unique().drop_nulls().with_columns(x=pl.col("raw").str.replace(_TIME, ""))
    word = (
        pl.col("x")
        .str.to_lowercase()
        .str.extract(r"([^\W\d_]{3})[^\W\d_]*\.?,?(?:\s+(?:de\s+)?\d|[-/]\d|$)", 1)
    )
    named_day = _number(r"(?:^|[^\d])(\d{1,2})(?:[^\d]|$)", 1)
    named_year = _number(r"(\d{4})", 1)
    serial = _number(r"^(4\d{4}|5\d{4})(?:\.0+)?$", 1)
    year = _number(_NUMERIC, 3)
    year = pl.when(year < CENTURY).then(year + 2000).otherwise(year)
    read = distinct.with_columns(
        sure=pl.coalesce(
            _date(_number(_ISO, 1), _number(_ISO, 2), _number(_ISO, 3)),
            pl.lit(EXCEL_EPOCH) + pl.duration(days=serial),
            _date(
                named_year,
                word.replace_strict(MONTH_OF, default=None, return_dtype=pl.Int32),
                named_day,
            ),
        ),
        by_day=_date(year, _number(_NUMERIC, 2), _number(_NUMERIC, 1)),
        by_month=_date(year, _number(_NUMERIC, 1), _number(_NUMERIC, 2)),
    )
    chosen = _reading(read, evidence)
    table = read.select("raw", value=pl.coalesce("sure", chosen))
    return texts.join(table, on="raw", how="left", maintain_order="left")["value"]


def _reading(read: pl.DataFrame, evidence: DateEvidence) -> str:
    """`by_day` or `by_month`, whichever the column shows."""
    numeric = read.filter(pl.col("by_day").is_not_null() | pl.col("by_month").is_not_null())
    only_day = numeric.filter(pl.col("by_month").is_null()).height
    only_month = numeric.filter(pl.col("by_day").is_null()).height
    if only_day and only_month:
        example = numeric.filter(pl.col("by_day").is_null())["raw"][0]
        raise AmbiguousDatesError(example, is_mixed=True)
    if only_month:
        return "by_month"
    if only_day or numeric.filter(pl.col("by_day") != pl.col("by_month")).is_empty():
        return "by_day"
    decided = _within(numeric, evidence) or _without_gap(numeric)
    if decided:
        return decided
    # A point between the parts is a European habit; so is the day in front in the two other languages.
    if evidence.language != "en" or numeric["raw"].str.contains(".", literal=True).all():
        return "by_day"
    differing = numeric.filter(pl.col("by_day") != pl.col("by_month"))["raw"].sort()
    raise AmbiguousDatesError(differing[0], is_mixed=False)


def _either(*, by_day: bool, by_month: bool) -> str | None:
    """The one reading that passes; None where both or neither do."""
    if by_day == by_month:
        return None
    return "by_day" if by_day else "by_month"


def _within(numeric: pl.DataFrame, evidence: DateEvidence) -> str | None:
    first, last = evidence.first or dt.date.min, evidence.last or dt.date.max
    inside = numeric.select(pl.col("by_day", "by_month").is_between(first, last).all()).row(0)
    return _either(by_day=inside[0], by_month=inside[1])


def _without_gap(numeric: pl.DataFrame) -> str | None:
    if numeric.height == 1:
        return None
    spans = numeric.select(
        (pl.col("by_day", "by_month").max() - pl.col("by_day", "by_month").min()).dt.total_days()
    ).row(0)
    return _either(by_day=spans[0] == numeric.height - 1, by_month=spans[1] == numeric.height - 1)
