"""How a run or a backfill stands: what it makes, whether it is done, and why not."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from ml_assets.defs.failures import first_failure
from ml_assets.defs.keys import RANGE_END_TAG, RANGE_START_TAG
from ml_assets.defs.standing import PARTITION_TAG
from ml_assets.defs.tries import is_started_again

BACKFILL_TAG = "dagster/backfill"

QUEUED, STARTED, SUCCESS, FAILURE, CANCELED = "QUEUED", "STARTED", "SUCCESS", "FAILURE", "CANCELED"

_OF_RUN = {
    dg.DagsterRunStatus.QUEUED: QUEUED,
    dg.DagsterRunStatus.NOT_STARTED: QUEUED,
    dg.DagsterRunStatus.MANAGED: QUEUED,
    dg.DagsterRunStatus.STARTING: STARTED,
    dg.DagsterRunStatus.STARTED: STARTED,
    dg.DagsterRunStatus.CANCELING: STARTED,
    dg.DagsterRunStatus.SUCCESS: SUCCESS,
    dg.DagsterRunStatus.FAILURE: FAILURE,
    dg.DagsterRunStatus.CANCELED: CANCELED,
}

_OF_BACKFILL = {
    "REQUESTED": STARTED,
    "CANCELING": STARTED,
    "FAILING": STARTED,
    "COMPLETED": SUCCESS,
    "COMPLETED_SUCCESS": SUCCESS,
    "COMPLETED_FAILED": FAILURE,
    "FAILED": FAILURE,
    "CANCELED": CANCELED,
}

_FAILED_EVENTS = {
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RESOURCE_INIT_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
}

SILENT_AFTER = dt.timedelta(minutes=3)
NO_DAEMON = (
    "It waits in the queue and no Dagster daemon has been seen lately: start one (`ml-assets dev`, or "
    "`dagster-daemon run`)."
)


@dataclass(frozen=True)
class RunState:
    """How a run or backfill stands."""

    id: str
    is_backfill: bool
    status: str
    """QUEUED, STARTED, SUCCESS, FAILURE or CANCELED."""
    assets: tuple[str, ...]
    partitions: str | None
    """The partition, or the first and last of a range; None for a backfill."""
    created_at: dt.datetime | None
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    tags: Mapping[str, str]
    failure: str | None = None
    """Why it failed, in a sentence."""
    hint: str | None = None
    """What keeps it from starting, where that can be told."""
    run_ids: tuple[str, ...] = ()
    """Of a backfill: its runs so far."""

    @property
    def is_done(self) -> bool:
        """Whether nothing of it will run any more."""
        return self.status in {SUCCESS, FAILURE, CANCELED}


def run_state(instance: dg.DagsterInstance, run_id: str) -> RunState | None:
    """The state of a run, or of a backfill; None for an id that is neither."""
    records = instance.get_run_records(dg.RunsFilter(run_ids=[run_id]), limit=1)
    if records:
        return _of_run(instance, records[0])
    return _of_backfill(instance, run_id)


def goes_on(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run or backfill may still write."""
    state = run_state(instance, run_id)
    return state is not None and not state.is_done


def _of_run(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunState:
    run = record.dagster_run
    status = STARTED if is_started_again(run) else _OF_RUN[run.status]
    return RunState(
        id=run.run_id,
        is_backfill=False,
        status=status,
        assets=tuple(sorted(key.to_user_string() for key in run.asset_selection or ())),
        partitions=_partitions(run.tags),
        created_at=record.create_timestamp.replace(tzinfo=dt.UTC),
        started_at=_moment(record.start_time),
        ended_at=_moment(record.end_time),
        tags=run.tags,
        failure=_why(instance, run) if status in {FAILURE, CANCELED} else None,
        hint=_waits_for(instance) if status == QUEUED else None,
    )


def _of_backfill(instance: dg.DagsterInstance, backfill_id: str) -> RunState | None:
    backfill = instance.get_backfill(backfill_id)
    if backfill is None:
        return None
    runs = instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill_id}))
    status = _OF_BACKFILL[backfill.status.value]
    failed = [run for run in runs if run.status == dg.DagsterRunStatus.FAILURE]
    why = None
    if status == FAILURE:
        said = [_why(instance, run) for run in failed[-1:]]
        said += [backfill.error.message.strip()] if backfill.error is not None else []
        why = said[0] if said else "It ended without saying why; its page in the Dagster UI says more."
    is_waiting = status == STARTED and not any(_OF_RUN[run.status] == STARTED for run in runs)
    return RunState(
        id=backfill_id,
        is_backfill=True,
        status=status,
        assets=tuple(sorted(key.to_user_string() for key in backfill.asset_selection or ())),
        partitions=None,
        created_at=_moment(backfill.backfill_timestamp),
        started_at=None,
        ended_at=_moment(backfill.backfill_end_timestamp),
        tags=backfill.tags,
        failure=why,
        hint=_waits_for(instance) if is_waiting else None,
        run_ids=tuple(run.run_id for run in reversed(runs)),
    )


def _why(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    logs: Sequence[dg.EventLogEntry] = instance.all_logs(run.run_id, of_type=_FAILED_EVENTS)
    events = [entry.dagster_event for entry in logs if entry.dagster_event is not None]
    if run.status == dg.DagsterRunStatus.CANCELED:
        return "It was ended by somebody."
    return first_failure(events)


def _waits_for(instance: dg.DagsterInstance) -> str | None:
    """A sentence where no daemon is there to start what waits."""
    return None if is_daemon_seen(instance) else NO_DAEMON


def is_daemon_seen(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon of the instance has said lately that it runs."""
    beats = instance.get_daemon_heartbeats()
    newest = max((beat.timestamp for beat in beats.values()), default=0.0)
    return dt.datetime.now(dt.UTC) - dt.datetime.fromtimestamp(newest, dt.UTC) < SILENT_AFTER


def _partitions(tags: Mapping[str, str]) -> str | None:
    if RANGE_START_TAG in tags:
        return f"{tags[RANGE_START_TAG]} to {tags[RANGE_END_TAG]}"
    return tags.get(PARTITION_TAG)


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
