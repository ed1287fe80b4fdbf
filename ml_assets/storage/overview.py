"""How far the data reaches: first and newest dates and counts per account and level, from indexes alone."""

import datetime as dt
from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.frames import Schema
from ml_assets.storage.bulk import fetch, schema_of
from ml_assets.storage.keys import date_column, table_of
from ml_assets.storage.tables import AdsRejectedRow, Base, MLClassification

REACH: Schema = {
    "config_id": pl.Int64(),
    "entity_type": pl.String(),
    "first_date": pl.Date(),
    "last_date": pl.Date(),
}
"""First and newest date of a table for an account and level."""

REJECTED: Schema = {
    "config_id": pl.Int64(),
    "source": pl.String(),
    "reason": pl.String(),
    "rows": pl.Int64(),
}
"""How many rows of a source were set aside for a reason."""


def read_reach(
    connection: sa.Connection, model: type[Base], config_ids: Sequence[int] | None = None
) -> pl.DataFrame:
    """First and newest date of `model` per account and level, in REACH, sorted; no row where it has none."""
    table = table_of(model)
    date = date_column(table)
    return fetch(
        connection,
        [table.c.config_id, table.c.entity_type, sa.func.min(date), sa.func.max(date)],
        REACH,
        where=[] if config_ids is None else [table.c.config_id.in_(list(config_ids))],
        group_by=[table.c.config_id, table.c.entity_type],
        order_by=[table.c.config_id, table.c.entity_type],
    )


def read_classified(connection: sa.Connection, date: dt.date, config_ids: Sequence[int]) -> set[int]:
    """Those of the accounts of which anything was classified on `date`."""
    table = table_of(MLClassification)
    found = connection.execute(
        sa.select(table.c.config_id)
        .where(table.c.classification_date == date, table.c.config_id.in_(list(config_ids)))
        .distinct()
    )
    return set(found.scalars())


def read_rejected(connection: sa.Connection, config_ids: Sequence[int] | None = None) -> pl.DataFrame:
    """Rows set aside per account, source and reason, in REJECTED, most first."""
    table = table_of(AdsRejectedRow)
    rows = sa.func.count()
    return fetch(
        connection,
        [table.c.config_id, table.c.source, table.c.reason, rows],
        REJECTED,
        where=[] if config_ids is None else [table.c.config_id.in_(list(config_ids))],
        group_by=[table.c.config_id, table.c.source, table.c.reason],
        order_by=[rows.desc(), table.c.source, table.c.reason],
    )


def filled_columns(
    connection: sa.Connection, model: type[Base], columns: Sequence[str], config_id: int
) -> dict[str, bool]:
    """Whether a column of `model` holds any value for the account."""
    table = table_of(model)
    schema_of(table, columns)
    found = connection.execute(
        sa.select(
            *(
                sa.exists().where(table.c.config_id == config_id, table.c[name].is_not(None)).label(name)
                for name in columns
            )
        )
    ).one()
    return {name: bool(found[index]) for index, name in enumerate(columns)}
