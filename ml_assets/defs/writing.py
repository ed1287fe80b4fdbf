"""Writing what an asset computed: each level's partitions of the run, one transaction a level."""

from typing import TYPE_CHECKING

import polars as pl

from ml_assets.defs.scope import Scope
from ml_assets.storage.counts import count_rows
from ml_assets.storage.tables import Base
from ml_assets.storage.writes import replace_partition

if TYPE_CHECKING:
    from sqlalchemy import Engine


def write_partitions(
    engine: "Engine", model: type[Base], scope: Scope, rows: pl.DataFrame, date_column: str
) -> int:
    """Replace the partitions of the run with `rows`, within what the run is restricted to.

    Returns how many rows the table holds afterwards. A level that fails leaves its partitions as they were.
    """
    for level, dates in scope.keys.dates.items():
        of_level = rows.filter(pl.col("entity_type") == level.value, pl.col(date_column).is_in(dates))
        with engine.begin() as connection:
            replace_partition(connection, model, of_level, level, dates, scope.config_ids, scope.entity_ids)
    with engine.connect() as connection:
        return count_rows(connection, model)
