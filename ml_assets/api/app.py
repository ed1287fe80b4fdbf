"""The app, assembled: its calls, its errors, its description."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from ml_assets.api import metrics, problems
from ml_assets.api.callers import is_open
from ml_assets.api.context import THREADS, Context
from ml_assets.api.routes import (
    accounts,
    anomalies,
    classifications,
    deeds,
    entities,
    features,
    forecasts,
    health,
    incidents,
    launches,
    pacing,
    plan,
    recommendations,
    runs,
    summaries,
)
from ml_assets.settings import settings

PREFIX = "/api/v1/ml"

DESCRIPTION = """Turns the daily insights of Meta Ads accounts into decisions on three levels:
campaign > adset > ad. Every decision carries a probability.

`entity_type` is `campaign` unless it is given. Times are RFC 3339 in UTC, dates are days in the account's
time zone, money is in the account's currency, ids are texts, ratios and relative changes are fractions. Lists
come in pages: take `next_cursor` as it is. Errors are `application/problem+json`.
"""

RESOURCES = (
    classifications,
    anomalies,
    recommendations,
    forecasts,
    summaries,
    incidents,
    plan,
    pacing,
    deeds,
    launches,
    features,
    entities,
    accounts,
    runs,
)


def create_app(context: Context) -> FastAPI:
    """The app over a context; whoever made the context closes its engine and launcher."""
    app = FastAPI(
        title="ml_assets",
        version=version("ml_assets"),
        summary="Decisions on Meta Ads accounts, each with a probability.",
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        generate_unique_id_function=lambda route: route.name,
        redoc_url=None,
        lifespan=_few_threads,
    )
    app.state.context = context
    problems.install(app)
    metrics.install(app, PREFIX)
    _let_in_pages(app)
    for resource in RESOURCES:
        app.include_router(resource.router, prefix=PREFIX, responses=problems.problems())
    app.include_router(health.router)
    app.openapi = lambda: _described(app)
    return app


def _let_in_pages(app: FastAPI) -> None:
    """Let pages of the origins of the settings call the app from a browser; of none unless they are named."""
    origins = [origin.strip() for origin in settings().api_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
            expose_headers=["Location", "Retry-After", "Data-As-Of"],
        )


@asynccontextmanager
async def _few_threads(_: FastAPI) -> AsyncIterator[None]:
    """Answer lists in few threads; what waits for long brings a limit of its own."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the problems in the place of FastAPI's own form of errors."""
    needs_token = not is_open(app.state.context)
    if app.openapi_schema is None or app.state.needs_token != needs_token:
        app.openapi_schema, app.state.needs_token = None, needs_token
        described = FastAPI.openapi(app)
        schemas = described.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas |= problems.schemas()
        for path in described["paths"].values():
            for call in path.values():
                if "security" in call and not needs_token:
                    call["security"] = [*call["security"], {}]
    return app.openapi_schema or {}
