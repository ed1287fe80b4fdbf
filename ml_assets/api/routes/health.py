"""Whether the process is alive, and whether it can answer."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ml_assets.api.context import Shared
from ml_assets.api.problems import MEDIA_TYPE
from ml_assets.storage.schema import require_head

router = APIRouter(tags=["health"])

_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {
        "description": "The database cannot be reached, or is not at the head migration.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
    }
}


class Health(BaseModel):
    """A short word."""

    status: Literal["ok"] = Field(examples=["ok"])


@router.get("/healthz")
def healthz() -> Health:
    """The process is alive."""
    return Health(status="ok")


@router.get("/readyz", responses=_NOT_READY)
def readyz(context: Shared) -> Health:
    """The database can be reached and is at the head migration."""
    require_head(context.engine)
    return Health(status="ok")
