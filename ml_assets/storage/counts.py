"""How many rows a table holds."""

import sqlalchemy as sa

from ml_assets.storage.tables import Base


def count_rows(connection: sa.Connection, model: type[Base]) -> int:
    """All rows of the model's table."""
    return connection.scalar(sa.select(sa.func.count()).select_from(model)) or 0
