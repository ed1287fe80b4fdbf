"""The database of a command: opened when it is needed, closed when the command ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa


@contextmanager
def open_database(*, at_head: bool = True) -> Iterator["sa.Engine"]:
    """An engine on the configured database.

    Raises DatabaseNotReadyError, unless `at_head` is false, where the database is not at the newest
    schema.
    """
    from ml_assets.storage.engine import create_engine
    from ml_assets.storage.schema import require_head

    engine = create_engine()
    try:
        if at_head:
            require_head(engine)
        yield engine
    finally:
        engine.dispose()
