"""The month to date and where it lands."""

import datetime as dt
import threading
from collections import OrderedDict
from typing import Annotated, Any, Literal

import anyio
import anyio.to_thread
import polars as pl
from fastapi import APIRouter, Response
from fastapi import Query as QueryParameters
from pydantic import BaseModel, Field, create_model

from ml_assets.api.answers import json_answer
from ml_assets.api.callers import Reader
from ml_assets.api.context import Context, Shared
from ml_assets.api.filters import ConfigId, Day, Query, visible_accounts
from ml_assets.api.models.lists import Answer
from ml_assets.api.problems import Problem, problems
from ml_assets.errors import NotReadyError
from ml_assets.forecasts.frames import PACING
from ml_assets.report.current import read_pacing

router = APIRouter(prefix="/pacing", tags=["pacing"])

STEPS = ("account", "campaign", "adset", "ad")

MOST_KEPT = 256
MOST_ACCOUNTS = 20

_KINDS: dict[type[pl.DataType], Any] = {
    pl.Int64: int,
    pl.Float64: float,
    pl.String: str,
    pl.Boolean: bool,
    pl.Date: dt.date,
}

_fields: dict[str, Any] = {
    name: (_KINDS[type(dtype)] | None, None) for name, dtype in {**PACING, "name": pl.String()}.items()
}
Pace: type[BaseModel] = create_model(
    "Pace",
    __doc__="Spend and leads of a month so far, where they land, with 80 % intervals, and the budget.",
    **_fields,
    currency=(str | None, None),
)


class Pacing(Answer):
    """The month, entity by entity."""

    items: list[Pace]  # type: ignore[valid-type] - a model made at run time


class PacingQuery(Query):
    """Which months."""

    config_id: ConfigId | None = Field(
        default=None, description="The account; all that the token may see unless it is given."
    )
    entity_type: Literal["account", "campaign", "adset", "ad"] = Field(
        default="campaign",
        description="Level; campaigns unless it is given. `account`: all together.",
    )
    date: Day | None = Field(
        default=None, description="Last day that is known; the newest that is over unless given."
    )


class _Known:
    """Pacings of accounts and days, kept until newer figures are read; each is made once at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], pl.DataFrame] = OrderedDict()

    def get(self, context: Context, config_id: int, date: dt.date | None, today: dt.date) -> pl.DataFrame:
        """The pacing of an account, all steps."""
        key = (id(context), config_id, date, today, context.data_as_of({config_id}))
        with self._lock:
            if key not in self._kept:
                account = context.accounts().filter(pl.col("config_id") == config_id)
                with context.engine.connect() as connection:
                    self._kept[key] = read_pacing(connection, account, date, STEPS)
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]


_known = _Known()
_one_at_a_time = anyio.CapacityLimiter(1)


@router.get("", response_model=Pacing, responses=problems(404))
async def get_pacing(
    query: Annotated[PacingQuery, QueryParameters()], caller: Reader, context: Shared
) -> Response:
    """The month to date and where it lands, largest landing first.

    The rest of the month is forecast when it is first asked for, which takes about a second for some hundred
    entities; the answer is kept until newer figures are read. 404 where an account has no figures.
    """
    return await anyio.to_thread.run_sync(
        lambda: _answer(context, visible_accounts(context, caller, query.config_id), query),
        limiter=_one_at_a_time,
    )


def _answer(context: Context, config_ids: list[int], query: PacingQuery) -> Response:
    if len(config_ids) > MOST_ACCOUNTS:
        raise Problem(422, f"query.config_id: say which account; {len(config_ids)} are too many at once.")
    today = dt.datetime.now(dt.UTC).date()
    parts: list[pl.DataFrame] = []
    lacking: list[str] = []
    for config_id in config_ids:
        try:
            parts.append(_known.get(context, config_id, query.date, today))
        except NotReadyError as error:
            lacking.append(str(error))
    if not parts and (lacking or query.config_id is not None):
        raise Problem(404, lacking[0])
    rows = [row for part in parts for row in part.filter(entity_type=query.entity_type).to_dicts()]
    return json_answer({"items": rows, "data_as_of": context.data_as_of(config_ids)})
