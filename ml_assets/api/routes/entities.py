"""Campaigns, adsets and ads as last seen."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from ml_assets.api.callers import Reader
from ml_assets.api.context import Shared
from ml_assets.api.filters import OfEntities, PlainText
from ml_assets.api.lists import answer_list
from ml_assets.api.models.lists import Entity, page_model
from ml_assets.api.problems import problems
from ml_assets.storage.lists import entities

router = APIRouter(prefix="/entities", tags=["entities"])


class EntityQuery(OfEntities):
    """Which entities."""

    effective_status: Annotated[PlainText, Field(max_length=50)] | None = Field(
        default=None, description="As they are delivered, such as ACTIVE or PAUSED.", examples=["ACTIVE"]
    )


@router.get("", response_model=page_model(Entity), responses=problems(404))
def list_entities(query: Annotated[EntityQuery, Query()], caller: Reader, context: Shared) -> Response:
    """Entities of a level by account and id, with budgets and states as last seen."""
    asked = {"effective_status": query.effective_status}
    return answer_list(context, caller, query, entities(query.level), asked)
