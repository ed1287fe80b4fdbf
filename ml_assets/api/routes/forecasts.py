"""Forecasts, day by day."""

from collections import defaultdict
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response
from pydantic import Field

from ml_assets.api.answers import json_answer
from ml_assets.api.callers import Caller, Reader
from ml_assets.api.context import Context, Shared
from ml_assets.api.filters import OfDays
from ml_assets.api.lists import Rows, read_list
from ml_assets.api.models.lists import Forecast, page_model
from ml_assets.api.problems import problems
from ml_assets.forecasts.frames import MOST_HORIZON
from ml_assets.storage.forecasts import read_points_of
from ml_assets.storage.lists import FORECASTS

router = APIRouter(prefix="/forecasts", tags=["forecasts"])

Metric = Literal["spend", "impressions", "clicks", "leads", "cpl", "ctr", "cpc", "cpm"]


class ForecastQuery(OfDays):
    """Which forecasts."""

    metric: Metric | None = Field(default=None, description="This metric only.")
    horizon: int | None = Field(
        default=None, ge=1, le=MOST_HORIZON, description="Those of so many days ahead only."
    )


@router.get("", response_model=page_model(Forecast), responses=problems(404))
def list_forecasts(query: Annotated[ForecastQuery, Query()], caller: Reader, context: Shared) -> Response:
    """Forecasts of entities of a level with their days, made last first.

    Of each account's newest day unless days, on which they were made, are given.
    """
    return json_answer(read_forecasts(context, caller, query))


def read_forecasts(context: Context, caller: Caller, query: ForecastQuery) -> dict[str, Any]:
    """A page of forecasts with their days."""
    asked = {"metric": query.metric, "horizon": query.horizon}
    return read_list(context, caller, query, FORECASTS, asked, complete=_add_points)


def _add_points(connection: sa.Connection, rows: Rows) -> None:
    """The days of each forecast, in one query for the page."""
    points: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for point in read_points_of(connection, [row["id"] for row in rows]):
        points[point.pop("forecast_id")].append(point)
    for row in rows:
        row["points"] = points[row["id"]]
