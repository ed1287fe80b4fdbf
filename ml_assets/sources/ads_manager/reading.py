"""From a file to a table of texts: encoding, separator, workbook or not, and where the headings stand.

What the headings and cells mean is not decided here.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import fastexcel
import polars as pl

from ml_assets.errors import UnreadableExportError
from ml_assets.sources.ads_manager.headings import MatchedHeadings, match_headings

HOW_TO_EXPORT = (
    "In Ads Manager open the Ads tab, choose Breakdown > By time > Day, add the columns Campaign ID, "
    "Ad set ID, Ad ID, Result indicator and Clicks (all), then Reports > Export table data > CSV"
)
"""Ends every refusal of a file, so that the reader knows what to do."""

NEEDED = (
    "a day (Day, or Reporting starts and Reporting ends), a name (Campaign name, Ad set name, Ad name), "
    "Amount spent (XXX)"
)

HEAD_LINES = 30
"""Lines searched for the headings: some tools put a title above them."""

FEWEST_HEADINGS = 2
"""Known headings from which a row is taken for the headings."""

HEAD_BYTES = 262_144

SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class RawTable:
    """A file as a table of texts.

    `rows` has `line` (1-based line of the file; the headings of an ordinary export stand in line 1) and
    `c0`, `c1`, ... as text, stripped, null where blank. `numeric` are columns whose cells are true
    numbers of a workbook, so that their decimal sign is certain.
    """

    path: Path
    headings: MatchedHeadings
    rows: pl.DataFrame
    numeric: frozenset[str] = frozenset()

    def column(self, name: str) -> str | None:
        """The column of a field, or None where the file does not have it."""
        position = self.headings.columns.get(name)
        return None if position is None else f"c{position}"

    def heading(self, name: str) -> str:
        """The heading of a field as it stands in the file."""
        return self.headings.headings[self.headings.columns[name]]

    def as_it_stood(self) -> pl.DataFrame:
        """`line` and the rows under their own headings; a heading that repeats gets its number."""
        names: dict[str, str] = {}
        for position, heading in enumerate(self.headings.headings):
            name = heading or f"column {position + 1}"
            names[f"c{position}"] = (
                name if name not in {*names.values(), "line"} else f"{name} ({position + 1})"
            )
        return self.rows.rename(names)


def read_table(path: str | Path) -> RawTable:
    """The table in a CSV or XLSX file, whatever its ending says.

    Raises UnreadableExportError where the file is missing, empty, of another kind, or holds no
    recognisable headings or no rows.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableExportError(f"{path} cannot be opened: {error.strerror or error}.") from error
    # A file of this size that holds nothing but blanks is no export either way.
    if not data[:HEAD_BYTES].strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise UnreadableExportError(f"{path} is empty. {HOW_TO_EXPORT}.")
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        table = _read_workbook(path, data)
    elif data.lstrip()[:100].lower().startswith((b"<html", b"<!doctype", b"<?xml", b"<table")):
        raise UnreadableExportError(
            f"{path} is a web page or XML, not a table, whatever its ending says. {HOW_TO_EXPORT}."
        )
    else:
        table = _read_text(path, data)
    if table.rows.is_empty():
        raise UnreadableExportError(
            f"{path} has headings but no rows: the export was made for a time without delivery, or all rows "
            "were "
            f"filtered away. Choose a time range with delivery and export again."
        )
    return table


def decode(data: bytes) -> str:
    """The text of a CSV file: UTF-8 and UTF-16 with or without byte order mark, else Windows-1252."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    head = data[:2000]
    if head.count(b"\x00") > len(head) // 4:
        little_endian = head[1::2].count(b"\x00") > head[0::2].count(b"\x00")
        return data.decode("utf-16-le" if little_endian else "utf-16-be", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _best_head(candidates: list[list[str]]) -> tuple[int, MatchedHeadings] | None:
    """The row that reads most like headings: (its index, its fields); None where none does."""
    best: tuple[int, MatchedHeadings] | None = None
    for index, cells in enumerate(candidates):
        matched = match_headings([cell.strip() for cell in cells])
        if len(matched.columns) >= FEWEST_HEADINGS and (
            best is None or len(matched.columns) > len(best[1].columns)
        ):
            best = (index, matched)
    return best


def _no_headings(path: Path, first: list[str]) -> UnreadableExportError:
    found = ", ".join(repr(cell.strip()) for cell in first if cell.strip()) or "nothing"
    return UnreadableExportError(
        f"{path} has no headings of an Ads Manager export in English, Portuguese or Spanish. Found: "
        f"{found[:600]}. "
        f"Needed: {NEEDED}. {HOW_TO_EXPORT}."
    )


def _read_text(path: Path, data: bytes) -> RawTable:
    text = decode(data)
    head = text[:HEAD_BYTES].splitlines(keepends=True)[:HEAD_LINES]
    best: tuple[int, MatchedHeadings, str] | None = None
    for separator in SEPARATORS:
        found = _best_head([next(csv.reader([line], delimiter=separator), []) for line in head])
        if found and (best is None or len(found[1].columns) > len(best[1].columns)):
            best = (*found, separator)
    if best is None:
        raise _no_headings(path, next((next(csv.reader([line]), []) for line in head if line.strip()), []))
    index, headings, separator = best
    body = text[sum(map(len, head[: index + 1])) :]
    width = len(headings.headings)
    names = [f"c{position}" for position in range(width)]
    if not body.strip():
        return RawTable(
            path, headings, pl.DataFrame(schema={"line": pl.Int64, **dict.fromkeys(names, pl.String)})
        )
    try:
        rows = pl.read_csv(
            io.BytesIO(body.encode()),
            has_header=False,
            separator=separator,
            schema=dict.fromkeys(names, pl.String),
            truncate_ragged_lines=True,
        )
    except pl.exceptions.PolarsError as error:
        raise UnreadableExportError(
            f"{path} is not a proper CSV file ({str(error).splitlines()[0]}). Export it again rather than "
            "editing it: "
            f"{HOW_TO_EXPORT}."
        ) from error
    # A quoted cell may hold line breaks; each pushes the rows below it down by a line of the file.
    breaks = pl.sum_horizontal(
        pl.col(name).str.count_matches("\n", literal=True).fill_null(0) for name in names
    )
    has_breaks = body.count("\n") > rows.height
    above = breaks.cum_sum().shift(1, fill_value=0) if has_breaks else pl.lit(0)
    rows = rows.with_row_index("line", offset=index + 2).with_columns(pl.col("line").cast(pl.Int64) + above)
    return RawTable(path, headings, _stripped(rows, names))


def _stripped(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Cells without blanks around them, null where nothing is left; rows without any cell dropped."""
    blanks = " \t\r\n\u00a0\u202f\ufeff"
    cells = pl.col(names).str.strip_chars(blanks)
    return (
        rows.with_columns(cells)
        .with_columns(pl.when(pl.col(names) != "").then(pl.col(names)))
        .filter(pl.any_horizontal(pl.col(names).is_not_null()))
    )


def _read_workbook(path: Path, data: bytes) -> RawTable:
    try:
        workbook = fastexcel.read_excel(data)
        sheets = list(workbook.sheet_names)
    except fastexcel.FastExcelError as error:
        raise UnreadableExportError(
            f"{path} is not a workbook that can be read; it may be damaged, protected or in an old format. "
            "Save it "
            f"as CSV UTF-8 or XLSX, better export again: {HOW_TO_EXPORT}."
        ) from error
    best: tuple[int, MatchedHeadings, int] | None = None
    first: list[str] = []
    for number in range(len(sheets)):
        try:
            top = workbook.load_sheet(
                number, header_row=None, skip_rows=0, n_rows=HEAD_LINES, dtypes="string"
            )
        except fastexcel.FastExcelError:
            continue  # a sheet without cells, such as a chart
        cells = [[cell or "" for cell in row] for row in top.to_polars().rows()]
        first = first or next((row for row in cells if any(row)), [])
        found = _best_head(cells)
        if found and (best is None or len(found[1].columns) > len(best[1].columns)):
            best = (*found, number)
    if best is None:
        raise _no_headings(path, first)
    index, headings, number = best
    names = [f"c{position}" for position in range(len(headings.headings))]
    options = {"header_row": None, "skip_rows": index + 1, "column_names": names}
    try:
        texts = workbook.load_sheet(number, **options, dtypes="string").to_polars()
        filled = [position for position, name in enumerate(names) if texts[name].null_count() < texts.height]
        typed = workbook.load_sheet(
            number, **options, schema_sample_rows=None, use_columns=filled
        ).to_polars()
    except fastexcel.FastExcelError:
        texts = typed = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    numeric = frozenset(name for name, dtype in typed.schema.items() if dtype.is_numeric())
    rows = texts.with_row_index("line", offset=index + 2).with_columns(pl.col("line").cast(pl.Int64))
    return RawTable(path, headings, _stripped(rows, names), numeric)
