"""Runs in processes of their own that stop just before they commit what they have written.

A run is held at the commit of the transaction in which it has replaced rows of a table: the old ones are
deleted and the new ones are inserted, and nobody else may see either.
"""

import datetime as dt
import multiprocessing
import sys
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import sqlalchemy as sa
from sqlalchemy import event

from ml_assets.entities import EntityType
from ml_assets_tests.defs.conftest import Materialize

TIMEOUT = 60.0
"""Seconds in which a run gets to its commit, also on a busy machine."""


class Work(NamedTuple):
    """What a run materializes, and where."""

    url: str
    home: Path
    asset: str
    day: dt.date
    level: EntityType


class Run:
    """A run in a process of its own; with `table`, one that waits at the commit of what it wrote there."""

    def __init__(self, work: Work, table: str | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])  # imported once, not by every run
        self.pipe, other = context.Pipe()
        self.process: BaseProcess = context.Process(target=_run, args=(work, table, other), daemon=True)
        self.process.start()
        other.close()

    def at_commit(self) -> int:
        """Wait for the commit; how many rows the table holds, as the run itself sees it."""
        assert self.pipe.poll(TIMEOUT), "the run did not get to its commit"
        return self.pipe.recv()

    def kill(self) -> None:
        """SIGKILL: as when the machine runs out of memory."""
        self.process.kill()
        self.process.join(TIMEOUT)

    def go_on(self) -> None:
        """Let the run commit."""
        self.pipe.send("commit")

    def is_running(self, seconds: float) -> bool:
        """Whether it has not ended after some seconds more."""
        self.process.join(seconds)
        return self.process.is_alive()

    def succeeded(self) -> bool:
        """Wait for the end; whether it was a success."""
        self.process.join(TIMEOUT)
        return self.process.exitcode == 0


def _run(work: Work, table: str | None, pipe: Connection) -> None:
    if table is not None:
        _hold(table, pipe)
    with dg.DagsterInstance.local_temp(str(work.home)) as instance:
        result = Materialize(instance, work.url)(work.asset, work.day, levels=[work.level])
    sys.exit(0 if result.success else 1)


def _hold(table: str, pipe: Connection) -> None:
    replacing = f"replacing {table}"

    @event.listens_for(sa.Engine, "before_cursor_execute")
    def _(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(f"DELETE FROM {table} "):
            connection.info[replacing] = True

    @event.listens_for(sa.Engine, "commit")
    def _(connection: sa.Connection) -> None:
        if connection.info.pop(replacing, False):
            cursor = connection.connection.cursor()
            cursor.execute(f"SELECT count(*) FROM {table}")
            found = cursor.fetchone()
            assert found is not None
            pipe.send(found[0])
            pipe.recv()
