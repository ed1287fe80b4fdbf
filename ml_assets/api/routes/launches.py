"""The calls that start runs: classify, detect, generate."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from ml_assets.api.callers import Writer
from ml_assets.api.context import Shared
from ml_assets.api.launches import (
    EntityLaunchRequest,
    IdempotencyKey,
    LaunchRequest,
    Target,
    Wait,
    launch,
)
from ml_assets.api.models.runs import LaunchedRun
from ml_assets.api.problems import problems
from ml_assets.api.routes.anomalies import AnomalyQuery, read_anomalies
from ml_assets.api.routes.classifications import ClassificationQuery, read_classifications
from ml_assets.api.routes.forecasts import ForecastQuery, read_forecasts
from ml_assets.api.routes.recommendations import RecommendationQuery, read_recommendations
from ml_assets.forecasts.frames import MOST_HORIZON

router = APIRouter()

CLASSIFY = Target(
    ("features", "classifications"), "classifications", ClassificationQuery, read_classifications
)
DETECT = Target(("anomalies",), "anomalies", AnomalyQuery, read_anomalies)
GENERATE_RECOMMENDATIONS = Target(
    ("recommendations",), "recommendations", RecommendationQuery, read_recommendations
)
GENERATE_FORECASTS = Target(("forecasts",), "forecasts", ForecastQuery, read_forecasts)

_LOCATION = {"Location": {"description": "Where the run is told of.", "schema": {"type": "string"}}}

ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": LaunchedRun, "description": "It ended within `wait`, well or not.", "headers": _LOCATION},
    202: {"model": LaunchedRun, "description": "It is launched.", "headers": _LOCATION},
    **problems(404),
}


class ForecastRequest(EntityLaunchRequest):
    """What to forecast."""

    horizon_days: int | None = Field(
        default=None,
        ge=1,
        le=MOST_HORIZON,
        description="Days ahead; 7 unless given. Forecasts of another horizon of the date stay.",
    )


class RecommendationRequest(LaunchRequest):
    """What to decide anew."""

    force_refresh: bool = Field(
        default=False,
        description="Replace the active recommendations only; applied, dismissed and expired ones stay "
        "untouched.",
    )


@router.post(
    "/classifications/classify",
    status_code=202,
    responses=ANSWERS,
    response_model=None,
    tags=["classifications"],
)
async def classify(
    request: Request,
    body: EntityLaunchRequest,
    caller: Writer,
    context: Shared,
    wait: Wait = 0,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Compute features and tiers of a level anew, what is missing upstream first."""
    return await launch(request, context, caller, CLASSIFY, body, wait=wait, key=idempotency_key)


@router.post("/anomalies/detect", status_code=202, responses=ANSWERS, response_model=None, tags=["anomalies"])
async def detect(
    request: Request,
    body: EntityLaunchRequest,
    caller: Writer,
    context: Shared,
    wait: Wait = 0,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Look for anomalies of a level anew; the account's running day may be asked for too."""
    return await launch(request, context, caller, DETECT, body, wait=wait, key=idempotency_key)


@router.post(
    "/recommendations/generate",
    status_code=202,
    responses=ANSWERS,
    response_model=None,
    tags=["recommendations"],
)
async def generate_recommendations(
    request: Request,
    body: RecommendationRequest,
    caller: Writer,
    context: Shared,
    wait: Wait = 0,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Decide anew what to do at a level; what people did with recommendations stays."""
    settings = {"force_refresh": True} if body.force_refresh else {}
    return await launch(
        request,
        context,
        caller,
        GENERATE_RECOMMENDATIONS,
        body,
        wait=wait,
        key=idempotency_key,
        settings=settings,
    )


@router.post(
    "/forecasts/generate", status_code=202, responses=ANSWERS, response_model=None, tags=["forecasts"]
)
async def generate_forecasts(
    request: Request,
    body: ForecastRequest,
    caller: Writer,
    context: Shared,
    wait: Wait = 0,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Forecast a level anew."""
    settings = {} if body.horizon_days is None else {"horizon_days": body.horizon_days}
    return await launch(
        request, context, caller, GENERATE_FORECASTS, body, wait=wait, key=idempotency_key, settings=settings
    )
