"""Writing what an asset computed: each level's partitions of the run, one transaction a level."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import polars as pl

from ml_assets.defs.scope import Scope
from ml_assets.entities import EntityType
from ml_assets.storage.counts import count_rows
from ml_assets.storage.tables import Base
from ml_assets.storage.writes import replace_partition

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class Replace(Protocol):
    """Makes rows those of some dates of a level; a table whose rows carry a state has one of its own."""

    def __call__(
        self,
        connection: "Connection",
        frame: pl.DataFrame,
        entity_type: EntityType,
        dates: Sequence[dt.date],
        config_ids: Sequence[int],
        entity_ids: Sequence[str] | None = None,
    ) -> int:
        """Replace, and return how many rows were written."""
        ...


def write_partitions(
    engine: "Engine",
    model: type[Base],
    scope: Scope,
    rows: pl.DataFrame,
    date_column: str,
    replace: Replace | None = None,
) -> int:
    """Replace the partitions of the run with `rows`, within what the run is restricted to.

    `replace` None: all rows of `model` are. Returns how many rows the table holds afterwards. A level that
    fails leaves its partitions as they were.
    """
    for level, dates in scope.keys.dates.items():
        of_level = rows.filter(pl.col("entity_type") == level.value, pl.col(date_column).is_in(dates))
        with engine.begin() as connection:
            if replace is None:
                replace_partition(
                    connection, model, of_level, level, dates, scope.config_ids, scope.entity_ids
                )
            else:
                replace(connection, of_level, level, dates, scope.config_ids, scope.entity_ids)
    with engine.connect() as connection:
        return count_rows(connection, model)
