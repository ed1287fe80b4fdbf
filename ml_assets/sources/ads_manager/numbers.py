"""Numbers as Ads Manager and spreadsheets write them: `1741.85`, `1,741.85`, `R$ 1.741,85`, `1 741,85`.

Which sign is the decimal one is decided per column from what its cells show, then from the rest of the
file; a column that leaves it open is refused. Whether a number makes sense is checked elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

Kind = Literal["count", "whole_money", "decimal"]
"""count: whole things; whole_money: a currency without cents; decimal: money or a ratio."""

Decimal = Literal[".", ","]

BLANKS = ("-", "–", "—", "--", "n/a", "N/A", "null", "None")
"""What stands for an empty cell."""

MINORITY = 0.05
"""Share of cells written the other way that still counts as single faulty cells, not as a mixed column."""

_BLANK_INSIDE = r"[\s\u00a0\u202f\u2009\u2007'’]"
_NUMBER = (
    r"^(\(?[-−+]?)(?:S/\.|Rs\.|[^\d\s.,+\-−()]{0,4})([-−+]?)(\d[\d.,]*|[.,]\d+)"
    r"(?:[^\d\s.,+\-−()]{0,4})(-?\)?)$"
)
_EXPONENT = r"^[-+]?\d+(?:[.,]\d+)?[eE][+-]?\d+$"
_UNDECIDED = r"^[1-9]\d{0,2}[.,]\d{3}$"
_GROUPED = {
    # European grouping, and the Indian one (1,23,456.78), which only ever uses the comma.
    ".": r"^(?:\d*|[1-9]\d{0,2}(?:,\d{2,3})*,\d{3})(?:\.\d*)?$",
    ",": r"^(?:\d*|[1-9]\d{0,2}(?:\.\d{3})+)(?:,\d*)?$",
}


class AmbiguousColumnError(ValueError):
    """A column whose decimal sign cannot be told; `example` is one of its cells."""

    def __init__(self, column: str, example: str, *, is_mixed: bool) -> None:
        super().__init__(column, example)
        self.column = column
        self.example = example
        self.is_mixed = is_mixed


@dataclass(frozen=True)
class Shapes:
    """How many different cells of a column speak for either decimal sign, and how many for neither."""

    point: int = 0
    comma: int = 0
    undecided_point: int = 0
    undecided_comma: int = 0
    example: str = ""

    @property
    def decided(self) -> Decimal | None:
        """The decimal sign that the cells show; None where they show neither, or both equally."""
        total = self.point + self.comma
        if not total:
            return None
        if self.comma <= MINORITY * total:
            return "."
        return "," if self.point <= MINORITY * total else None

    @property
    def is_mixed(self) -> bool:
        """Both ways of writing stand in one column."""
        return self.point + self.comma > 0 and self.decided is None

    @property
    def undecided(self) -> int:
        """Cells such as 1.741, which are a thousand or one and three quarters."""
        return self.undecided_point + self.undecided_comma


@dataclass(frozen=True)
class ParsedNumbers:
    """`values` (Float64, null where blank or unreadable) and `is_bad` (a text that is no number)."""

    values: pl.Series
    is_bad: pl.Series


def _blank_to_null(cells: pl.Series) -> pl.Series:
    frame = cells.alias("x").to_frame()
    return frame.select(pl.when(~pl.col("x").is_in(BLANKS) & (pl.col("x") != "")).then(pl.col("x")))["x"]


def _plain_floats(cells: pl.Series, kind: Kind) -> pl.Series | None:
    """The cells as floats where all are written with a decimal point beyond doubt, else None.

    The quick way for files nobody has re-saved: no cell has a comma, and a cell such as 1.741 stands
    beside one such as 1.74.
    """
    floats = cells.cast(pl.Float64, strict=False)
    if floats.null_count() != cells.null_count() or cells.str.contains(r"\d[eE]").any():
        return None
    is_open = cells.str.contains(_UNDECIDED).any()
    if is_open and (kind != "decimal" or not cells.str.contains(r"\.(?:\d{1,2}|\d{4,})$").any()):
        return None
    return floats


def _bodies(cells: pl.Series) -> pl.DataFrame:
    """Distinct cells as `x`, their digits and signs as `body`, and whether they are negative."""
    packed = pl.col("x").str.replace_all(_BLANK_INSIDE, "")
    return (
        cells.alias("x")
        .drop_nulls()
        .unique()
        .to_frame()
        .with_columns(packed=packed)
        .with_columns(
            body=pl.coalesce(
                pl.when(pl.col("packed").str.contains(_EXPONENT)).then(
                    pl.col("packed").str.strip_prefix("-")
                ),
                pl.col("packed").str.extract(_NUMBER, 3),
            ),
            is_negative=pl.col("packed").str.contains(r"^\(?[^\d]*[-−]|-\)?$|^\(.*\)$"),
        )
    )


def shapes(cells: pl.Series) -> Shapes:
    """What the distinct cells of a text column show about the decimal sign."""
    body = pl.col("body")
    by_point, by_comma = body.str.contains(_GROUPED["."]), body.str.contains(_GROUPED[","])
    separated = body.str.contains(r"[.,]")
    undecided = by_point & by_comma & separated
    frame = _bodies(cells)
    counts = frame.select(
        point=(by_point & ~by_comma).sum(),
        comma=(by_comma & ~by_point).sum(),
        undecided_point=(undecided & body.str.contains(".", literal=True)).sum(),
        undecided_comma=(undecided & body.str.contains(",", literal=True)).sum(),
        example=pl.col("x").filter(separated).min(),
    ).row(0, named=True)
    return Shapes(**{**counts, "example": counts["example"] or ""})


def parse(cells: pl.Series, decimal: Decimal, kind: Kind = "decimal") -> ParsedNumbers:
    """The numbers of a text column written with this decimal sign.

    A count or whole money such as `1.741` has a separator of thousands, whatever `decimal` says. A count
    that is not whole, or in scientific notation (its digits are lost), is bad.
    """
    body = pl.col("body")
    grouping = "," if decimal == "." else "."
    distinct = _bodies(cells)
    if kind != "decimal":
        body = pl.when(body.str.contains(_UNDECIDED)).then(body.str.replace_all(r"[.,]", "")).otherwise(body)
    is_exponent = body.str.contains(_EXPONENT)
    fits = body.str.contains(_GROUPED[decimal]) | (is_exponent & pl.lit(kind == "decimal"))
    digits = body.str.replace_all(grouping, "", literal=True).str.replace(decimal, ".", literal=True)
    digits = pl.when(is_exponent).then(body.str.replace(",", ".", literal=True)).otherwise(digits)
    size = pl.when(fits).then(digits.cast(pl.Float64, strict=False))
    value = pl.when(pl.col("is_negative")).then(-size).otherwise(size)
    if kind == "count":
        value = pl.when(value == value.round()).then(value)
    table = distinct.select("x", value=value)
    parsed = cells.alias("x").to_frame().join(table, on="x", how="left", maintain_order="left")
    return ParsedNumbers(parsed["value"], parsed["value"].is_null() & parsed["x"].is_not_null())


def parse_columns(
    frame: pl.DataFrame, kinds: Mapping[str, Kind], numeric: Sequence[str] | frozenset[str] = ()
) -> tuple[dict[str, ParsedNumbers], dict[str, AmbiguousColumnError]]:
    """The numbers of several text columns of one file.

    `kinds` maps columns to what they hold; `numeric` are columns whose cells were true numbers. A
    spreadsheet writes a whole file in one way, so a column that does not decide its decimal sign takes
    the one that all others agree on. Returns the parsed columns and, per column that stays open, the
    error that the caller may raise.
    """
    cells = {name: _blank_to_null(frame[name]) for name in kinds}
    parsed: dict[str, ParsedNumbers] = {}
    seen: dict[str, Shapes] = {}
    for name, kind in kinds.items():
        floats = (
            cells[name].cast(pl.Float64, strict=False)
            if name in numeric
            else _plain_floats(cells[name], kind)
        )
        if floats is None:
            seen[name] = shapes(cells[name])
            continue
        # NaN and infinity go through as they are: the row checks name them.
        is_bad = floats.is_null() & cells[name].is_not_null()
        if kind == "count":
            is_bad = is_bad | (floats.is_finite() & (floats != floats.round())).fill_null(value=False)
        parsed[name] = ParsedNumbers(floats, is_bad)
        if name not in numeric and cells[name].str.contains(".", literal=True).any():
            seen[name] = Shapes(point=1)
    agreed = _agreed(seen, kinds)
    errors: dict[str, AmbiguousColumnError] = {}
    for name, kind in kinds.items():
        if name in parsed:
            continue
        shape = seen[name]
        decimal = shape.decided
        if decimal is None and not shape.is_mixed:
            decimal = agreed if agreed or (shape.undecided and kind == "decimal") else "."
        if decimal is None:
            errors[name] = AmbiguousColumnError(name, shape.example, is_mixed=shape.is_mixed)
        else:
            parsed[name] = parse(cells[name], decimal, kind)
    return parsed, errors


def _agreed(seen: Mapping[str, Shapes], kinds: Mapping[str, Kind]) -> Decimal | None:
    """The decimal sign on which all columns agree that show one."""
    votes: set[str] = {shape.decided for shape in seen.values() if shape.decided}
    for name, shape in seen.items():
        if kinds[name] != "decimal":
            # The separator inside a whole number groups thousands, so the other one is decimal.
            votes |= {","} if shape.undecided_point else set()
            votes |= {"."} if shape.undecided_comma else set()
    if votes == {"."}:
        return "."
    return "," if votes == {","} else None
