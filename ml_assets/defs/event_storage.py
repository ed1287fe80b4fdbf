"""Recording to Dagster's embedded SQLite storage without a disk sync and a checkpoint per event.

A backfill records hundreds of materializations. Dagster opens and closes its SQLite files for each of
them, and SQLite then waits for the disk at every commit and folds the write-ahead log back at every
close, which costs the more the busier the disk is. With `synchronous=NORMAL` a commit does not wait
(safe against a crash of the process; a power cut may lose the last events, never the file), and a
connection held open for the length of a run keeps the log from being folded back at each close. Other
storages are left alone.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event


def _relax(connection: Any, _record: Any) -> None:  # noqa: ANN401 - whatever driver SQLAlchemy connected with
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=NORMAL")


@contextmanager
def quick_event_storage(home: Path, run_id: str | None = None) -> Iterator[None]:
    """For the length of the block, record quickly to the SQLite files under the Dagster home `home`.

    `run_id` names the run whose own log is written. Files that come to be within the block are not held;
    nothing happens where there are none.
    """
    listening = not event.contains(Engine, "connect", _relax)
    if listening:
        event.listen(Engine, "connect", _relax)
    try:
        with ExitStack() as held:
            for folder in ("history", "schedules", "storage"):
                for file in sorted((home / folder).rglob("*.db")):
                    if file.parent.name == "runs" and file.stem not in ("index", run_id):
                        continue  # the log of another run
                    connection = held.enter_context(closing(sqlite3.connect(file, check_same_thread=False)))
                    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield
    finally:
        if listening:
            event.remove(Engine, "connect", _relax)
