"""How a run or backfill stands."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from ml_assets.api.answers import json_answer
from ml_assets.api.callers import Reader
from ml_assets.api.context import Shared
from ml_assets.api.models.runs import Run
from ml_assets.api.problems import Problem, problems
from ml_assets.api.runs import run_document
from ml_assets.storage.launches import read_accounts_of_run

router = APIRouter(prefix="/runs", tags=["runs"])

RunId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z-]+$", examples=["qhkcjyfu"])]


@router.get("/{id}", response_model=Run, responses=problems(404))
def get_run(id: RunId, caller: Reader, context: Shared) -> Response:  # noqa: A002 - the name in the path
    """How a run or backfill stands, and why it failed.

    A token of some accounts sees the runs that were asked for them through the API.
    """
    if context.launcher is None:
        raise Problem(503, "This server does not see the Dagster instance.")
    config_ids = None
    if caller.config_ids is not None:
        with context.engine.connect() as connection:
            config_ids = read_accounts_of_run(connection, id)
        if not config_ids & caller.config_ids:
            raise _unknown(id)
    state = context.launcher.state(id)
    if state is None:
        raise _unknown(id)
    return json_answer({**run_document(state), "data_as_of": context.data_as_of(config_ids)})


def _unknown(run_id: str) -> Problem:
    return Problem(404, f"There is no run or backfill {run_id}.")
