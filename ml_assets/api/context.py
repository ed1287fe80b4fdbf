"""What the calls share: the database, what is kept in memory for some seconds, and how runs are launched."""

import datetime as dt
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import polars as pl
import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy.exc import DBAPIError

from ml_assets.settings import settings
from ml_assets.storage.engine import create_engine
from ml_assets.storage.readings import newest_readings
from ml_assets.storage.reads import read_accounts

if TYPE_CHECKING:
    from ml_assets.api.callers import TokenCache
    from ml_assets.api.rate_limit import RateLimiter
    from ml_assets.defs.launching import Launcher

T = TypeVar("T")

ACCOUNTS_SECONDS = 5.0
READINGS_SECONDS = 10.0

THREADS = 4
"""Lists that are read at the same time; more of them only wait for each other (Python runs one at a time)."""

CONNECTIONS = THREADS + 2

BURST_SECONDS = 2.0
"""How much of the rate limit may be used at once."""


class Kept(Generic[T]):
    """A value that is read again when it is older than some seconds. Safe to share among threads.

    One thread reads; the others take what was there meanwhile. They wait for the first value of all, and
    where what was there is twice as old as it may be: a database that hangs does not keep it alive.
    """

    def __init__(self, read: Callable[[], T], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._lock = threading.Lock()
        self._value: tuple[float, T] | None = None

    @property
    def is_old(self) -> bool:
        """Whether the next look reads it."""
        return self._age() >= self._seconds

    def _age(self) -> float:
        return math.inf if self._value is None else time.monotonic() - self._value[0]

    def get(self) -> T:
        """The value; what `read` raises is passed on and nothing is kept."""
        found = self._value
        if found is not None and not self.is_old:
            return found[1]
        is_too_old = self._age() >= 2 * self._seconds
        if not self._lock.acquire(blocking=found is None or is_too_old) and found is not None:
            return found[1]
        try:
            if self._value is None or self.is_old:
                self._value = (time.monotonic(), self._read())
            return self._value[1]
        finally:
            self._lock.release()


@dataclass
class Context:
    """One for each process."""

    engine: sa.Engine
    tokens: "TokenCache"
    limiter: "RateLimiter"
    is_open_allowed: bool = False
    """Whether requests without a token are let in while no token was ever made."""
    launcher: "Launcher | None" = None
    """None: this process launches nothing."""
    reading: sa.Engine = field(init=False)
    """The same database for answers of one query, which need no transaction around them."""
    _accounts: Kept[pl.DataFrame] = field(init=False)
    _readings: Kept[dict[int, dt.datetime]] = field(init=False)

    def __post_init__(self) -> None:
        self.reading = self.engine
        if self.engine.dialect.name == "postgresql":
            url = self.engine.url.render_as_string(hide_password=False)
            quick = create_engine(url, connections=CONNECTIONS)
            self.reading = quick.execution_options(isolation_level="AUTOCOMMIT")
        self._accounts = Kept(self._read_accounts, ACCOUNTS_SECONDS)
        self._readings = Kept(self._read_readings, READINGS_SECONDS)

    def close(self) -> None:
        """Close what the context opened; the engine it was given stays open."""
        self.tokens.write_used()
        if self.reading is not self.engine:
            self.reading.dispose()

    def read(self, query: Callable[[sa.Connection], T]) -> T:
        """What a query finds. One that meets a connection that died (the database began anew) is repeated."""
        try:
            with self.reading.connect() as connection:
                return query(connection)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        with self.reading.connect() as connection:
            return query(connection)

    def accounts(self) -> pl.DataFrame:
        """All accounts (ACCOUNTS), inactive ones too, some seconds old at most."""
        return self._accounts.get()

    def data_as_of(self, config_ids: Collection[int] | None) -> dt.datetime | None:
        """When figures of these accounts (None: of any) were last read, in UTC; null where none were."""
        found: Iterable[dt.datetime] = (
            moment
            for config_id, moment in self._readings.get().items()
            if config_ids is None or config_id in config_ids
        )
        return max(found, default=None)

    def _read_accounts(self) -> pl.DataFrame:
        return self.read(lambda connection: read_accounts(connection, active_only=False))

    def _read_readings(self) -> dict[int, dt.datetime]:
        return self.read(newest_readings)


async def context_of(request: Request) -> Context:
    """The context of the app that serves the request."""
    context: Any = request.app.state.context
    return context


def make_context(engine: sa.Engine, launcher: "Launcher | None" = None, *, is_open_allowed: bool) -> Context:
    """A context over an engine, with the settings of this process."""
    from ml_assets.api.callers import TokenCache  # noqa: PLC0415 - they need what is above
    from ml_assets.api.rate_limit import RateLimiter  # noqa: PLC0415

    limit = settings().api_rate_limit
    limiter = RateLimiter(limit, BURST_SECONDS * limit)
    return Context(engine, TokenCache(engine), limiter, is_open_allowed=is_open_allowed, launcher=launcher)


Shared = Annotated[Context, Depends(context_of)]
"""The context, as a parameter of a call."""
