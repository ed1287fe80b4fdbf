"""Dagster resources: the database, whose life is one run."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field, PrivateAttr

from ml_assets.defs.event_storage import quick_event_storage
from ml_assets.storage.engine import create_engine
from ml_assets.storage.schema import require_head

if TYPE_CHECKING:
    from sqlalchemy import Engine


class DatabaseResource(dg.ConfigurableResource):
    """The database of accounts, insights and results, as one engine per run.

    Raises DatabaseNotReadyError, naming the command to run, where the database cannot be reached or is not
    at the head migration.
    """

    url: str = Field(
        default="",
        description="SQLAlchemy URL (SQLite or PostgreSQL); empty: ML_ASSETS_DATABASE_URL, or a SQLite "
        "file in ML_ASSETS_DATA_DIR.",
    )

    _engine: "Engine | None" = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["DatabaseResource"]:
        """Open the engine for a run, and close its connections at the end."""
        self._engine = create_engine(self.url or None)
        try:
            with ExitStack() as stack:
                run_id = context.run.run_id if context.run is not None else None
                if context.instance is not None and not context.instance.is_ephemeral:
                    stack.enter_context(quick_event_storage(Path(context.instance.root_directory), run_id))
                yield self
        finally:
            self._engine.dispose()
            self._engine = None

    @property
    def engine(self) -> "Engine":
        """The engine of this run, on a database that is known to be at the head migration."""
        if self._engine is None:
            raise dg.DagsterInvariantViolationError("The database is open only while a run executes.")
        require_head(self._engine)
        return self._engine
