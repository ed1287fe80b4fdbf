"""Tiers."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from ml_assets.api.answers import json_answer
from ml_assets.api.callers import Caller, Reader
from ml_assets.api.context import Context, Shared
from ml_assets.api.filters import OfDays
from ml_assets.api.lists import read_list
from ml_assets.api.models.lists import Classification, page_model
from ml_assets.api.problems import problems
from ml_assets.storage.lists import CLASSIFICATIONS

router = APIRouter(prefix="/classifications", tags=["classifications"])

Tier = Literal["HIGH_PERFORMER", "MODERATE", "LOW", "UNDERPERFORMER", "INSUFFICIENT_DATA"]


class ClassificationQuery(OfDays):
    """Which tiers."""

    tier: Tier | None = Field(default=None, description="This tier only.")


@router.get("", response_model=page_model(Classification), responses=problems(404))
def list_classifications(
    query: Annotated[ClassificationQuery, Query()], caller: Reader, context: Shared
) -> Response:
    """Tiers of entities of a level, newest day first; of each account's newest day unless days are given."""
    return json_answer(read_classifications(context, caller, query))


def read_classifications(context: Context, caller: Caller, query: ClassificationQuery) -> dict[str, Any]:
    """A page of tiers."""
    return read_list(context, caller, query, CLASSIFICATIONS, {"tier": query.tier})
