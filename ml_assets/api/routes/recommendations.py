"""Recommendations: what to do, and what is held back and why."""

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from ml_assets.api.answers import json_answer
from ml_assets.api.callers import Caller, Reader
from ml_assets.api.context import Context, Shared
from ml_assets.api.filters import OfDays
from ml_assets.api.lists import read_list
from ml_assets.api.models.lists import Recommendation, page_model
from ml_assets.api.problems import problems
from ml_assets.storage.lists import RECOMMENDATIONS, by_status

router = APIRouter(prefix="/recommendations", tags=["recommendations"])

Status = Literal["active", "applied", "dismissed", "expired", "superseded"]
Kind = Literal[
    "BUDGET_INCREASE",
    "BUDGET_DECREASE",
    "PAUSE",
    "SCALE_UP",
    "REACTIVATE",
    "AUDIENCE_REVIEW",
    "AUDIENCE_EXPANSION",
    "AUDIENCE_NARROWING",
    "CREATIVE_REFRESH",
    "CREATIVE_TEST",
    "CREATIVE_WINNER",
    "OPTIMIZE_SCHEDULE",
]


class RecommendationQuery(OfDays):
    """Which recommendations."""

    type: Kind | None = Field(default=None, description="This type only.")
    status: Status | None = Field(
        default=None,
        description="This status only, as it reads now; of any day unless days are given, but for `active`.",
    )
    blocked: bool | None = Field(
        default=None,
        description="true: those that a guard holds back ('why not?'), `blocked_by` names it; false: those "
        "that are issued. Issued ones unless it is given; with a `status` of the past both.",
    )


@router.get("", response_model=page_model(Recommendation), responses=problems(404))
def list_recommendations(
    query: Annotated[RecommendationQuery, Query()], caller: Reader, context: Shared
) -> Response:
    """What to do with entities of a level: newest day first, then by priority.

    Of each account's newest day, unless days are given or a status that is of the past.
    """
    return json_answer(read_recommendations(context, caller, query))


def read_recommendations(context: Context, caller: Caller, query: RecommendationQuery) -> dict[str, Any]:
    """A page of recommendations."""
    is_of_past = query.status not in {None, "active"}
    asked = {
        "type": query.type,
        **by_status(query.status),
        # What was applied or dismissed may be held back on the following days: it is listed all the same.
        "blocked": query.blocked if query.blocked is not None or is_of_past else False,
        "now": dt.datetime.now(dt.UTC),
    }
    return read_list(context, caller, query, RECOMMENDATIONS, asked, is_of_any_day=is_of_past)
