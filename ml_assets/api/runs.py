"""Runs as documents."""

from typing import TYPE_CHECKING, Any

from ml_assets.settings import settings

if TYPE_CHECKING:
    from ml_assets.defs.run_states import RunState


def run_document(state: "RunState") -> dict[str, Any]:
    """A run or backfill as `ml_assets.api.models.runs.Run` describes it, but for `data_as_of`."""
    return {
        "id": state.id,
        "kind": "backfill" if state.is_backfill else "run",
        "status": state.status,
        "assets": list(state.assets),
        "partitions": state.partitions,
        "run_ids": list(state.run_ids),
        "failure": state.failure,
        "hint": state.hint,
        "created_at": state.created_at,
        "started_at": state.started_at,
        "ended_at": state.ended_at,
        "url": _page(state),
    }


def _page(state: "RunState") -> str | None:
    """Its page in the Dagster UI."""
    base = settings().dagster_url.rstrip("/")
    if not base:
        return None
    return f"{base}/runs/b/{state.id}" if state.is_backfill else f"{base}/runs/{state.id}"
