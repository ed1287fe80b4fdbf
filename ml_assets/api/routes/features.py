"""Features: what is known of each entity."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from ml_assets.api.callers import Reader
from ml_assets.api.context import Shared
from ml_assets.api.filters import OfDays
from ml_assets.api.lists import answer_list
from ml_assets.api.models.lists import Features, page_model
from ml_assets.api.problems import problems
from ml_assets.storage.lists import FEATURES

router = APIRouter(prefix="/features", tags=["features"])


@router.get("", response_model=page_model(Features), responses=problems(404))
def list_features(query: Annotated[OfDays, Query()], caller: Reader, context: Shared) -> Response:
    """Features of entities of a level, newest day first.

    Of each account's newest day unless days are given.
    """
    return answer_list(context, caller, query, FEATURES, {})
