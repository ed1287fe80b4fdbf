"""Totals of a forecast over its horizon, what share of a bound is inside, and an index for ranges of dates.

The columns wait in `ml_archive_forecast_totals` and `ml_archive_forecast_shares` on the way down and come
back on the way up.
"""

from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

from ml_assets.storage.archive import has_table

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEX = "ix_ml_forecasts_partition"


class Added(NamedTuple):
    """Columns that this revision adds to a table, and where they wait."""

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    archive: str


ADDED = (
    Added(
        "ml_forecasts",
        ("id",),
        ("total_value", "total_lower_80", "total_upper_80", "total_lower_95", "total_upper_95"),
        "ml_archive_forecast_totals",
    ),
    Added(
        "ml_forecast_points",
        ("forecast_id", "target_date"),
        ("inside_lower_80", "inside_upper_80"),
        "ml_archive_forecast_shares",
    ),
)


def upgrade() -> None:
    for table, key, columns, archive in ADDED:
        for name in columns:
            op.add_column(table, sa.Column(name, sa.Float))
        if has_table(op.get_bind(), archive):
            given = ", ".join(f"{name} = {archive}.{name}" for name in columns)
            same = " AND ".join(f"{archive}.{name} = {table}.{name}" for name in key)
            op.execute(f"UPDATE {table} SET {given} FROM {archive} WHERE {same}")
            op.drop_table(archive)
    op.drop_index(INDEX, table_name="ml_forecasts")
    # With the date last: SQLite reads a range of dates from it instead of an account's whole history.
    op.create_index(INDEX, "ml_forecasts", ["config_id", "entity_type", "forecast_date"])


def downgrade() -> None:
    op.drop_index(INDEX, table_name="ml_forecasts")
    op.create_index(INDEX, "ml_forecasts", ["forecast_date", "entity_type", "config_id"])
    for table, key, columns, archive in ADDED:
        is_there = " OR ".join(f"{name} IS NOT NULL" for name in columns)
        op.execute(
            f"CREATE TABLE {archive} AS SELECT {', '.join((*key, *columns))} FROM {table} WHERE {is_there}"
        )
        for name in columns:
            op.drop_column(table, name)
