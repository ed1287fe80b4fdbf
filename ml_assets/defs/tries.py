"""The runs of what is to be done once, found by a tag: whether it is done, and how often it failed."""

from dataclasses import dataclass

import dagster as dg

MOST_TRIES = 2
"""Runs asked for at most: one that failed is tried once more."""

PARENT_TAG = "dagster/parent_run_id"
WILL_RETRY_TAG = "dagster/will_retry"
RETRIED_TAG = "dagster/auto_retry_run_id"

ACTIVE = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
"""A run that may still write."""


@dataclass(frozen=True)
class Tries:
    """What became of the runs with a tag."""

    is_done: bool
    """One of them succeeded."""
    is_under_way: bool
    """One of them may still write, or Dagster is about to start it again."""
    asked: int
    """How many were asked for; what Dagster starts again after a crash does not count."""

    @property
    def may_be_asked(self) -> bool:
        """Whether a run is to be asked for."""
        return not self.is_done and not self.is_under_way and self.asked < MOST_TRIES


def tries_of(instance: dg.DagsterInstance, tag: str, value: str) -> Tries:
    """What became of the runs whose `tag` is `value`."""
    runs = instance.get_runs(dg.RunsFilter(tags={tag: value}))
    return Tries(
        is_done=any(run.status == dg.DagsterRunStatus.SUCCESS for run in runs),
        is_under_way=any(run.status in ACTIVE or is_started_again(run) for run in runs),
        asked=sum(PARENT_TAG not in run.tags for run in runs),
    )


def is_started_again(run: dg.DagsterRun) -> bool:
    """Whether Dagster will start the run again after a crash, and has not yet."""
    return (
        run.status == dg.DagsterRunStatus.FAILURE
        and run.tags.get(WILL_RETRY_TAG) == "true"
        and RETRIED_TAG not in run.tags
    )
