"""Whether the process is alive, and whether it can answer."""

import logging
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ml_assets.api.context import Shared
from ml_assets.api.problems import MEDIA_TYPE, Problem
from ml_assets.errors import DatabaseNotReadyError
from ml_assets.storage.schema import require_head

_log = logging.getLogger(__name__)

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
    try:
        require_head(context.engine)
    except DatabaseNotReadyError as error:
        # Whoever asks needs no token, so where the database lies is left to the log.
        _log.warning("%s", error)
        shown = context.engine.url.render_as_string(hide_password=True)
        said = str(error).replace(f" {shown}", "")
        raise Problem(503, said.partition(" (")[0] if "(" in said else said) from error
    return Health(status="ok")
