"""What the calls that start runs have in common: days, checks, claims, and waiting for the end."""

import asyncio
import datetime as dt
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread
import orjson
import polars as pl
from fastapi import Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ml_assets.api.answers import json_answer
from ml_assets.api.callers import Caller
from ml_assets.api.context import Context
from ml_assets.api.filters import ConfigId, Day, EntityId, Level, OfDays, require_account
from ml_assets.api.lists import require_entities
from ml_assets.api.problems import Problem
from ml_assets.api.runs import run_document
from ml_assets.entities import EntityType
from ml_assets.storage.launches import Wanted, claim, read_launch, store_launched, withdraw

if TYPE_CHECKING:
    from ml_assets.defs.launching import Launcher

T = TypeVar("T")

ANONYMOUS = "anonymous"
SUCCESS = "SUCCESS"
MOST_DAYS = 366
MOST_ENTITIES = 1000
MOST_WAIT_SECONDS = 120
LOOK_SECONDS = 0.5
LAUNCH_THREADS = 16
LAUNCHED_WITHIN_SECONDS = 45.0

Wait = Annotated[
    float,
    Query(
        ge=0,
        le=MOST_WAIT_SECONDS,
        description="Seconds to wait for the end: 200 with the state if it comes by then, else 202.",
    ),
]

IdempotencyKey = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")] | None,
    Header(
        alias="Idempotency-Key",
        description="Any text of your own, new for each request: a repeated request is the same run.",
    ),
]


class LaunchRequest(BaseModel):
    """What is to be made; every call has further fields of its own."""

    model_config = ConfigDict(extra="forbid")

    config_id: ConfigId
    entity_type: Level = "campaign"
    date: Day | None = Field(
        default=None,
        description="The day, or the last of `days`; the account's last closed day unless given.",
    )
    days: int = Field(default=1, ge=1, le=MOST_DAYS, description="How many closed days back from `date`.")


class EntityLaunchRequest(LaunchRequest):
    """The same, of some entities alone."""

    entity_ids: list[EntityId] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_ENTITIES,
        description="Only these campaigns, adsets or ads; all of the level unless given.",
    )


@dataclass(frozen=True)
class Target:
    """What a call makes."""

    assets: tuple[str, ...]
    path: str
    """Of the list that shows what was made, under the API's prefix."""
    query: type[OfDays]
    read: Callable[[Context, Caller, Any], dict[str, Any]]
    """A page of that list, for a `query`."""


async def launch(
    request: Request,
    context: Context,
    caller: Caller,
    target: Target,
    body: LaunchRequest,
    *,
    wait: float,
    key: str | None,
    settings: Mapping[str, Any] | None = None,
) -> Response:
    """Launch what is asked for, or join the run that makes it already; 202, or 200 if it ends within `wait`.

    Raises Problem 404 for an unknown account or entity, 403 for one the token lacks, 422 for days that are
    not over or outside of the partitions.
    """
    launcher = context.launcher
    if launcher is None:
        raise Problem(503, "This server launches nothing.")
    run_id = await _in_thread(lambda: _launched(context, launcher, caller, target, body, key, settings or {}))
    shown = _list_query(context, body)
    results = f"{request.url.path.rsplit('/', 2)[0]}/{target.path}?{urlencode(shown)}"
    until = time.monotonic() + wait
    while True:
        state = await _in_thread(lambda: launcher.state(run_id))
        if state is None:
            raise Problem(503, f"Dagster does not know the run {run_id} it has just launched; see its log.")
        left = until - time.monotonic()
        if state.is_done or left <= 0:
            break
        await asyncio.sleep(min(LOOK_SECONDS, left))
    result = None
    if wait and state.status == SUCCESS:
        query = target.query.model_validate(shown)
        result = await _in_thread(lambda: target.read(context, caller, query))
    document = {
        **run_document(state),
        "result": result,
        "results_url": results,
        "data_as_of": await _in_thread(lambda: context.data_as_of({body.config_id})),
    }
    location = f"{request.url.path.rsplit('/', 2)[0]}/runs/{run_id}"
    return json_answer(document, 200 if wait and state.is_done else 202, {"Location": location})


async def _in_thread(work: Callable[[], T]) -> T:
    """`work` in a thread that is none of those that answer lists: it may wait for Dagster."""
    return await anyio.to_thread.run_sync(work, limiter=_threads())


@lru_cache(maxsize=1)
def _threads() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(LAUNCH_THREADS)


def _launched(
    context: Context,
    launcher: "Launcher",
    caller: Caller,
    target: Target,
    body: LaunchRequest,
    key: str | None,
    settings: Mapping[str, Any],
) -> str:
    """The id of the run or backfill that makes what is asked for."""
    from ml_assets.defs.launch_plan import Asked  # noqa: PLC0415 - Dagster is loaded by who launches

    require_account(context, caller, body.config_id)
    level = EntityType(body.entity_type)
    start, end = days_of(context, body, may_run="anomalies" in target.assets)
    chosen = body.entity_ids if isinstance(body, EntityLaunchRequest) else None
    entity_ids = None if chosen is None else tuple(sorted(set(chosen)))
    asked = Asked(target.assets, level, start, end)
    what = {
        "assets": list(target.assets),
        "entity_type": level.value,
        "from": start.isoformat(),
        "to": end.isoformat(),
        "entity_ids": entity_ids,
        **settings,
    }
    wanted = Wanted(
        caller=caller.token_id or ANONYMOUS,
        config_id=body.config_id,
        request=what,
        request_hash=_hash({"call": target.path, "body": body.model_dump(mode="json")}),
        fingerprint=_hash({**what, "config_id": body.config_id}),
        idempotency_key=key,
    )
    with context.engine.connect() as connection:
        if entity_ids is not None:
            require_entities(connection, [body.config_id], level, entity_ids)
        plan = launcher.plan(connection, asked, body.config_id, entity_ids, settings)
    with context.engine.begin() as connection:
        claimed = claim(
            connection,
            wanted,
            lambda found: found.run_id is not None and launcher.goes_on(found.run_id),
            dt.datetime.now(dt.UTC),
        )
    if claimed.run_id is not None:
        return claimed.run_id
    if not claimed.is_mine:
        return _launched_by_other(context, claimed.id)
    try:
        run_id, is_backfill = launcher.launch(plan, claimed.id, caller.name)
    except BaseException:
        with context.engine.begin() as connection:
            withdraw(connection, claimed.id)
        raise
    with context.engine.begin() as connection:
        details = {"token": caller.name, "restricted": plan.is_restricted}
        store_launched(
            connection, claimed.id, run_id, is_backfill=is_backfill, by=caller.name, details=details
        )
    return run_id


def _launched_by_other(context: Context, launch_id: str) -> str:
    """The run that another request is launching right now. Raises Problem 503 where that fails."""
    until = time.monotonic() + LAUNCHED_WITHIN_SECONDS
    while time.monotonic() < until:
        with context.engine.connect() as connection:
            found = read_launch(connection, launch_id)
        if found is None:
            break
        if found.run_id is not None:
            return found.run_id
        time.sleep(LOOK_SECONDS / 5)
    raise Problem(
        503,
        "The same was asked for at the same time and could not be launched; try again.",
        {"Retry-After": "5"},
    )


def days_of(context: Context, body: LaunchRequest, *, may_run: bool) -> tuple[dt.date, dt.date]:
    """First and last day asked for. Raises Problem 422 for a day that is not over, unless `may_run`."""
    account = context.accounts().filter(pl.col("config_id") == body.config_id).row(0, named=True)
    if not account["is_active"]:
        raise Problem(422, f"Account {body.config_id} is not active: `ml-assets accounts set` makes it so.")
    zone = account["timezone"] or "UTC"
    today = dt.datetime.now(ZoneInfo(zone)).date()
    end = body.date or today - dt.timedelta(days=1)
    if end > today or (end == today and not may_run):
        raise Problem(422, f"body.date: {end} is not over yet in the time zone of the account, {zone}.")
    return end - dt.timedelta(days=body.days - 1), end


def _list_query(context: Context, body: LaunchRequest) -> dict[str, Any]:
    """The query of the list that shows what a call makes."""
    start, end = days_of(context, body, may_run=True)
    days = {"date": end} if start == end else {"from": start, "to": end}
    chosen = body.entity_ids if isinstance(body, EntityLaunchRequest) else None
    one = {"entity_id": chosen[0]} if chosen is not None and len(chosen) == 1 else {}
    return {"config_id": body.config_id, "entity_type": body.entity_type, **one, **days}


def _hash(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
