"""The sentence that says why a run failed, from its events."""

from collections.abc import Sequence
from typing import Any

import dagster as dg


def first_failure(events: Sequence[dg.DagsterEvent]) -> str:
    """The sentence of the first step that failed, or of whatever else ended the run."""
    for event in events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data is not None and data.user_failure_data.description:
                return data.user_failure_data.description
            if data.error is not None:
                return f"{event.step_key}: {_root_cause(data.error)}"
        if event.is_resource_init_failure and event.engine_event_data.error is not None:
            return _root_cause(event.engine_event_data.error)
    messages = [event.message for event in events if event.is_failure and event.message]
    return messages[0] if messages else "it ended without saying why; its log is in the Dagster UI."


def _root_cause(error: Any) -> str:  # noqa: ANN401 - a type that Dagster does not export
    while error.cause is not None:
        error = error.cause
    return error.message.strip()
