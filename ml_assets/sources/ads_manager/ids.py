"""Ids of an export: texts as Meta gave them, the marks a spreadsheet leaves, and keys made of names.

A spreadsheet keeps 15 digits of a number; an id has 15 to 18. Once rounded it names nothing any more.
"""

import hashlib

import polars as pl

EXACT_DIGITS = 15
"""Digits a spreadsheet keeps of a number; all behind become 0."""

SUSPICIOUS_ZEROS = 6
"""Zeros behind the 15th digit, over all different ids, from which chance (1 in 10^6) is ruled out."""

KEY_DIGITS = 24
"""Hexadecimal digits of a key made of names: 96 bits, so two names never meet."""

_SCIENTIFIC = r"^\d(?:[.,]\d+)?[eE]\+?\d+$"


def clean_id(column: str) -> pl.Expr:
    """The id in a text cell, without the marks that keep spreadsheets off it and without `act_`.

    `="123"`, `'123`, `id:123` and `123.0` become `123`.
    """
    bare = pl.col(column).str.strip_chars("=\"' \u00a0")
    return bare.str.replace(r"^(?:act_|[a-z]{1,3}:)(\d)", "${1}").str.replace(r"^(\d+)\.0+$", "${1}")


def mangled_example(cells: pl.Series) -> str | None:
    """An id that a spreadsheet has turned into a number such as `1.2E+17`, or None."""
    found = cells.filter(cells.str.contains(_SCIENTIFIC).fill_null(value=False))
    return None if found.is_empty() else str(found[0])


def rounded_example(ids: pl.Series, *, are_numbers: bool) -> str | None:
    """An id of more digits than a spreadsheet keeps, where all such ids look rounded; else None.

    Cells that are numbers (`are_numbers`) of a workbook are rounded for certain. Texts are when every one
    of them has zeros behind its 15th digit, and these are too many for chance.
    """
    long = ids.drop_nulls().unique()
    long = long.filter(long.str.contains(rf"^\d{{{EXACT_DIGITS + 1},}}$"))
    if long.is_empty():
        return None
    if are_numbers:
        return str(long.sort()[0])
    behind = long.str.slice(EXACT_DIGITS)
    zeros = behind.str.len_chars().sum()
    return str(long.sort()[0]) if behind.str.contains(r"^0+$").all() and zeros >= SUSPICIOUS_ZEROS else None


def name_keys(frame: pl.DataFrame, parent: str | None, name: str) -> pl.Series:
    """Text keys of entities without ids: `name:` and a hash of the parent's key and the name.

    The same name under the same parent gives the same key in every file; null where either is null.
    """
    columns = [name] if parent is None else [parent, name]
    path = pl.concat_str(columns, separator="\u001f", ignore_nulls=False)
    paths = frame.select(path=path)
    distinct = paths["path"].drop_nulls().unique()
    # polars' own hash changes between versions; a key has to stay, and there are few different names.
    digests = [hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS] for text in distinct.to_list()]
    table = pl.DataFrame({"path": distinct, "key": pl.Series(digests, dtype=pl.String)})
    joined = paths.join(table, on="path", how="left", maintain_order="left")
    return joined.select(pl.format("name:{}", "key"))["key"].alias("key") if joined.height else joined["key"]
