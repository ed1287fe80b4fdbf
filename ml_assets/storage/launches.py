"""Runs that callers of the REST API asked for: claimed here before they are launched, so that one will do."""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ml_assets.errors import UsageError
from ml_assets.storage.audit import log_action
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import table_of
from ml_assets.storage.reads import as_utc
from ml_assets.storage.tables import ApiLaunch

TABLE = table_of(ApiLaunch)

LOOK_BACK = dt.timedelta(days=1)
"""How long a launch stands in the way of the same one, if its run still goes on."""

CLAIM_HOLDS = dt.timedelta(seconds=60)
"""How long a claim stands that was not launched: whoever made it is gone by then."""

MOST_CANDIDATES = 20


class KeyReusedError(UsageError):
    """An idempotency key that was given with another request before."""


@dataclass(frozen=True)
class Wanted:
    """What a caller asks for."""

    caller: str
    """The token's id, or what stands for callers without one."""
    config_id: int
    request: Mapping[str, Any]
    """As JSON can hold it."""
    request_hash: str
    """Equal for equal requests: what the idempotency key was given with."""
    fingerprint: str
    """Equal where the same partitions are made of the same things: who else asks for it gets the same run."""
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Launch:
    """A launch that stands."""

    id: str
    run_id: str | None
    """The run, or the backfill; None: it is about to be launched."""
    is_backfill: bool
    config_id: int
    is_mine: bool = False
    """Whether it was claimed just now, by whoever asked."""


def claim(
    connection: sa.Connection, wanted: Wanted, goes_on: Callable[[Launch], bool], now: dt.datetime
) -> Launch:
    """The launch for what is wanted: one that stands, or a new row, which its owner then has to launch.

    A launch with the same idempotency key always stands; one with the same fingerprint while `goes_on` says
    so. Raises KeyReusedError where the key was given with another request.
    """
    begin_writing(connection, TABLE.name)
    connection.execute(
        sa.delete(TABLE).where(TABLE.c.run_id.is_(None), TABLE.c.claimed_at < as_utc(now) - CLAIM_HOLDS)
    )
    if wanted.idempotency_key is not None:
        same_key = (TABLE.c.caller == wanted.caller) & (TABLE.c.idempotency_key == wanted.idempotency_key)
        row = connection.execute(sa.select(TABLE).where(same_key)).mappings().first()
        if row is not None and row["request_hash"] != wanted.request_hash:
            raise KeyReusedError(
                "This Idempotency-Key was given with another request before; take a new one for each request."
            )
        if row is not None:
            return _launch(row)
    recent = (
        sa.select(TABLE)
        .where(TABLE.c.fingerprint == wanted.fingerprint, TABLE.c.claimed_at >= now - LOOK_BACK)
        .order_by(TABLE.c.claimed_at.desc())
        .limit(MOST_CANDIDATES)
    )
    for row in connection.execute(recent).mappings().all():
        launch = _launch(row)
        if launch.run_id is None or goes_on(launch):
            return launch
    values = {
        "id": str(uuid.uuid4()),
        "caller": wanted.caller,
        "idempotency_key": wanted.idempotency_key,
        "request_hash": wanted.request_hash,
        "fingerprint": wanted.fingerprint,
        "config_id": wanted.config_id,
        "request": dict(wanted.request),
        "claimed_at": as_utc(now),
    }
    connection.execute(sa.insert(TABLE).values(values))
    return Launch(str(values["id"]), None, is_backfill=False, config_id=wanted.config_id, is_mine=True)


def store_launched(
    connection: sa.Connection,
    launch_id: str,
    run_id: str,
    *,
    is_backfill: bool,
    by: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Say which run or backfill a launch became, with one line of the log."""
    row = connection.execute(sa.select(TABLE).where(TABLE.c.id == launch_id)).mappings().one()
    now = dt.datetime.now(dt.UTC)
    connection.execute(
        sa.update(TABLE)
        .where(TABLE.c.id == launch_id)
        .values(run_id=run_id, is_backfill=is_backfill, launched_at=now)
    )
    log_action(
        connection,
        by,
        "run.launch",
        config_id=row["config_id"],
        subject=run_id,
        details={**(row["request"] or {}), **(details or {})},
    )


def withdraw(connection: sa.Connection, launch_id: str) -> None:
    """Forget a claim that could not be launched, so that it can be asked for again."""
    connection.execute(sa.delete(TABLE).where(TABLE.c.id == launch_id, TABLE.c.run_id.is_(None)))


def read_launch(connection: sa.Connection, launch_id: str) -> Launch | None:
    """The launch with this id; None where it was withdrawn."""
    row = connection.execute(sa.select(TABLE).where(TABLE.c.id == launch_id)).mappings().first()
    return None if row is None else _launch(row)


def read_accounts_of_run(connection: sa.Connection, run_id: str) -> set[int]:
    """The accounts that a run or backfill was asked for through the API; empty where it was not."""
    query = sa.select(TABLE.c.config_id).where(TABLE.c.run_id == run_id).distinct()
    return set(connection.execute(query).scalars())


def _launch(row: sa.RowMapping) -> Launch:
    return Launch(row["id"], row["run_id"], bool(row["is_backfill"]), row["config_id"])
