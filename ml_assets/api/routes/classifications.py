"""Tiers: the list, counts, and what people say of them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from ml_assets.api.callers import Reader
from ml_assets.api.context import Shared
from ml_assets.api.filters import OfDays
from ml_assets.api.lists import answer_page, as_before
from ml_assets.api.models.classifications import Classification
from ml_assets.api.models.lists import PageOf
from ml_assets.api.problems import problems
from ml_assets.storage.entity_pages import read_entity_page
from ml_assets.storage.tables import MLClassification

router = APIRouter(prefix="/classifications", tags=["classifications"])

Tier = Literal["HIGH_PERFORMER", "MODERATE", "LOW", "UNDERPERFORMER", "INSUFFICIENT_DATA"]

DOCUMENTS = ("probabilities", "needs", "metrics_snapshot", "feature_importances")


class ClassificationQuery(OfDays):
    """Which tiers."""

    tier: Tier | None = Field(default=None, description="This tier only.")


@router.get("", response_model=PageOf[Classification], responses=problems(404))
def list_classifications(
    query: Annotated[ClassificationQuery, Query()], caller: Reader, context: Shared
) -> Response:
    """Tiers of entities of a level, newest day first; of each account's newest day unless days are given."""
    return answer_page(
        context,
        caller,
        query,
        lambda connection, config_ids, after: read_entity_page(
            connection,
            MLClassification,
            query.level,
            config_ids,
            query.days,
            entity_id=query.entity_id,
            equal={"tier": query.tier},
            after=after,
            limit=query.limit,
        ),
        size=4,
        documents=DOCUMENTS,
        shape=as_before,
    )
