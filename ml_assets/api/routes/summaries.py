"""Counts of tiers, anomalies, recommendations and forecasts."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from ml_assets.api import filters
from ml_assets.api.answers import json_answer
from ml_assets.api.callers import Caller, Reader
from ml_assets.api.context import Context, Shared
from ml_assets.api.models.summaries import (
    AnomalySummary,
    ForecastSummary,
    RecommendationSummary,
    TierSummary,
)
from ml_assets.api.problems import problems
from ml_assets.entities import LEVELS, EntityType
from ml_assets.storage import summaries

router = APIRouter()


class SummaryQuery(filters.Query):
    """What is counted. The level has no default here: a summary is of all levels unless one is given."""

    config_id: filters.ConfigId | None = Field(
        default=None, description="The account; all that the token may see unless it is given."
    )
    entity_type: Literal["campaign", "adset", "ad"] | None = Field(
        default=None, description="Level; all of them unless it is given."
    )
    date: filters.Day | None = Field(
        default=None, description="The day; the newest of each account and level unless it is given."
    )


Asked = Annotated[SummaryQuery, Query()]


@router.get(
    "/classifications/summary",
    tags=["classifications"],
    response_model=TierSummary,
    responses=problems(404),
)
def summarize_classifications(query: Asked, caller: Reader, context: Shared) -> Response:
    """Entities by level and tier, of each account's newest day unless a date is given."""
    return _counted(context, caller, query, summaries.CLASSIFICATIONS)


@router.get("/anomalies/summary", tags=["anomalies"], response_model=AnomalySummary, responses=problems(404))
def summarize_anomalies(query: Asked, caller: Reader, context: Shared) -> Response:
    """Anomalies by level, severity, metric and type, of each account's newest day unless a date is given."""
    return _counted(context, caller, query, summaries.ANOMALIES)


@router.get(
    "/recommendations/summary",
    tags=["recommendations"],
    response_model=RecommendationSummary,
    responses=problems(404),
)
def summarize_recommendations(query: Asked, caller: Reader, context: Shared) -> Response:
    """Recommendations by level, type, status and guard, issued and held back ones.

    Of each account's newest day unless a date is given.
    """
    return _counted(context, caller, query, summaries.RECOMMENDATIONS)


@router.get("/forecasts/summary", tags=["forecasts"], response_model=ForecastSummary, responses=problems(404))
def summarize_forecasts(query: Asked, caller: Reader, context: Shared) -> Response:
    """Forecasts by level, metric, horizon and method, of each account's newest day unless a date is given."""
    return _counted(context, caller, query, summaries.FORECASTS)


def _counted(context: Context, caller: Caller, query: SummaryQuery, summary: summaries.Summary) -> Response:
    config_ids = filters.visible_accounts(context, caller, query.config_id)
    levels = LEVELS if query.entity_type is None else (EntityType(query.entity_type),)
    found = context.read(
        lambda connection: summaries.count_groups(connection, summary, config_ids, levels, date=query.date)
    )
    return json_answer({"items": found.to_dicts(), "data_as_of": context.data_as_of(config_ids)})
