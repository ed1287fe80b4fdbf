"""Errors as `application/problem+json` (RFC 9457): what was wrong and what is allowed."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from ml_assets.errors import (
    MlAssetsError,
    NotReadyError,
    RunFailedError,
    StateConflictError,
    UnknownIdError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(
        description="Where it is: `query.limit`, `body.entity_ids.0`.", examples=["query.limit"]
    )
    message: str = Field(examples=["Input should be less than or equal to 500"])


class ProblemDetails(BaseModel):
    """What was wrong with a request, and what to do."""

    type: str = Field(default="about:blank", examples=["about:blank"])
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="A sentence for people.", examples=["There is no account 9."])
    errors: list[FieldError] | None = Field(default=None, description="Each thing that is wrong, for 422.")


class Problem(Exception):  # noqa: N818 - the name of RFC 9457
    """Ends a request with this status and sentence."""

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = errors


_SAID = {
    401: "The token is missing, unknown, expired or revoked.",
    403: "The token may not do this, or not for this account.",
    404: "There is no such account, entity or thing.",
    409: "What it is asked for contradicts what was done before.",
    422: "A parameter or the body is not what it may be; `errors` says where.",
    429: "Too many requests with this token; `Retry-After` says how many seconds to wait.",
    503: "The database, or the Dagster webserver, cannot be reached.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented error answers of a call: these statuses, and those of every call."""
    return {
        status: {
            "description": _SAID[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
            **({"headers": _RETRY} if status == HTTPStatus.TOO_MANY_REQUESTS else {}),
        }
        for status in sorted({401, 403, 422, 429, 503, *statuses})
    }


_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}


def answer(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] | None = None,
) -> Response:
    """A problem as a response."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        document["errors"] = list(errors)
    return Response(orjson.dumps(document), status, dict(headers or {}), MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem."""

    @app.exception_handler(Problem)
    def _problem(_: Request, error: Problem) -> Response:
        return answer(error.status, error.detail, error.headers, error.errors)

    @app.exception_handler(HTTPException)
    def _http(_: Request, error: HTTPException) -> Response:
        said = {
            404: "There is no such path; /docs lists those there are.",
            405: "This path takes other methods.",
        }
        if error.status_code == HTTPStatus.BAD_REQUEST:
            # What cannot even be decoded is no other mistake than a body that does not fit.
            return answer(422, "body: it is not JSON in UTF-8.")
        return answer(error.status_code, said.get(error.status_code, str(error.detail)), error.headers)

    @app.exception_handler(RequestValidationError)
    def _validation(_: Request, error: RequestValidationError) -> Response:
        errors = [
            {"field": ".".join(_text(part) for part in item["loc"]), "message": _text(item["msg"])}
            for item in error.errors()
        ]
        first = errors[0] if errors else {"field": "request", "message": "cannot be read"}
        return answer(422, f"{first['field']}: {first['message']}.", errors=errors)

    @app.exception_handler(NotReadyError)
    def _not_ready(_: Request, error: NotReadyError) -> Response:
        return answer(503, str(error))

    @app.exception_handler(UnknownIdError)
    def _unknown(_: Request, error: UnknownIdError) -> Response:
        return answer(404, str(error))

    @app.exception_handler(StateConflictError)
    def _conflict(_: Request, error: StateConflictError) -> Response:
        return answer(409, str(error))

    @app.exception_handler(RunFailedError)
    def _refused(_: Request, error: RunFailedError) -> Response:
        return answer(503, str(error))

    @app.exception_handler(UsageError)
    def _usage(_: Request, error: UsageError) -> Response:
        return answer(422, str(error))

    @app.exception_handler(MlAssetsError)
    def _own(_: Request, error: MlAssetsError) -> Response:
        return answer(500, str(error))

    @app.exception_handler(OperationalError)
    def _unreachable(_: Request, error: OperationalError) -> Response:
        return _database_gone(error)

    @app.exception_handler(PoolTimeoutError)
    def _no_connection(_: Request, error: PoolTimeoutError) -> Response:
        return _database_gone(error)


def _database_gone(_: DBAPIError | PoolTimeoutError) -> Response:
    """What the driver says may hold a password, so it is left to the log."""
    detail = "The database cannot be reached or is too busy; try again, and see /readyz."
    return answer(503, detail, {"Retry-After": "5"})


def _text(part: object) -> str:
    """Text that JSON can hold, whatever a caller sent."""
    return str(part).encode("utf-8", "replace").decode()


def schemas() -> dict[str, Any]:
    """The schemas that `problems` refers to, for the OpenAPI description."""
    described = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**described.pop("$defs"), "ProblemDetails": described}
