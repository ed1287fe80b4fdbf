"""Adding versions to a versioned table: a row only where a figure changed, nothing overwritten."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
import sqlalchemy as sa

from ml_assets.storage.bulk import insert_frame

SAME_MOMENT = dt.timedelta(milliseconds=1)
"""Two readings this close claim the same moment; the later arrival then counts as the later reading."""


class Counts(NamedTuple):
    """How many rows were added, and how many said what was known already."""

    inserted: int
    unchanged: int


def append_versions(
    connection: sa.Connection,
    table: sa.Table,
    incoming: pl.DataFrame,
    stored: pl.DataFrame,
    key: Sequence[str],
    figures: Sequence[str],
) -> Counts:
    """Insert the rows of `incoming` that differ from the version before them, by `known_at`.

    `stored` holds the versions of the keys that are there (more keys do no harm), with the same columns.
    Versions within `incoming` are compared in order of `known_at`; of two that claim the same moment
    the last row counts. A row whose moment is taken by a different stored version is stored just after
    it, so that nothing is lost.
    """
    if not incoming.height:
        return Counts(0, 0)
    columns = [*key, "known_at", *figures]
    rows = (
        incoming.select(columns)
        .unique([*key, "known_at"], keep="last", maintain_order=True)
        .with_row_index("order")
    )
    taken = stored.join(rows.select(key).unique(), on=key, how="semi").select(columns)
    rows = _after_the_same_moment(rows, taken, key)
    sides = [
        side.select(*columns, pl.lit(is_new).alias("is_new"))
        for side, is_new in ((taken, False), (rows, True))
    ]
    ordered = pl.concat(sides).sort(*key, "known_at", "is_new")
    first = pl.int_range(pl.len()).over(key) == 0
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1).over(key)) for name in figures)
    fresh = ordered.filter(pl.col("is_new") & (first | changed)).select(columns)
    inserted = insert_frame(connection, table, fresh)
    return Counts(inserted, incoming.height - inserted)


def _after_the_same_moment(rows: pl.DataFrame, stored: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """`rows` with `known_at` moved to just after a stored version of (almost) the same moment that differs.

    Moved to that version's own moment plus a microsecond; a row that says the same is dropped later,
    because the stored version is then the one before it.
    """
    near = (
        rows.select("order", *key, pl.col("known_at").alias("read_at"))
        .join(stored.select(*key, "known_at"), on=key, how="inner")
        .filter(
            (pl.col("known_at") >= pl.col("read_at")) & (pl.col("known_at") < pl.col("read_at") + SAME_MOMENT)
        )
        .group_by("order")
        .agg((pl.col("known_at").max() + dt.timedelta(microseconds=1)).alias("after"))
    )
    return (
        rows.join(near, on="order", how="left")
        .with_columns(pl.coalesce("after", "known_at").alias("known_at"))
        .drop("after")
    )
