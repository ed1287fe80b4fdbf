"""The one door from the API to Dagster: launching what is asked for, and telling how it stands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import sqlalchemy as sa

from ml_assets.defs.backfill import LAUNCHED_BY_TAG
from ml_assets.defs.launch_plan import Asked, LaunchPlan, plan_launch
from ml_assets.defs.partitions import DATE, ENTITY_TYPE
from ml_assets.defs.partitions import dates as date_partitions
from ml_assets.defs.run_states import RunState, goes_on, run_state
from ml_assets.defs.standing import PARTITION_TAG
from ml_assets.defs.webserver import PartitionRange, Webserver
from ml_assets.errors import UsageError

LAUNCH_TAG = "ml_assets/api_launch"
"""Names the row of `api_launches` that a run is of."""


@dataclass(frozen=True)
class Launchable:
    """A plan, what it is restricted to, and the settings of its target assets."""

    asked: Asked
    plan: LaunchPlan
    config_id: int
    entity_ids: tuple[str, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the run config of the last target asset beside the restriction."""

    @property
    def is_restricted(self) -> bool:
        """Whether only rows of the account (and entities) are replaced, or whole partitions."""
        return self.plan.may_be_restricted

    @property
    def run_config(self) -> dict[str, Any]:
        """The config of the run's assets."""
        restriction: dict[str, Any] = {}
        if self.is_restricted:
            restriction["config_ids"] = [self.config_id]
            if self.entity_ids is not None:
                restriction["entity_ids"] = list(self.entity_ids)
        configs = {asset: dict(restriction) for asset in self.asked.assets}
        configs[self.asked.assets[-1]] |= self.settings
        return {"ops": {asset: {"config": config} for asset, config in configs.items() if config}}


class Launcher:
    """Plans against an instance, launches through the webserver whose address `url` gives."""

    def __init__(self, instance: dg.DagsterInstance, url: Callable[[], str]) -> None:
        self._instance = instance
        self._url = url

    def plan(
        self,
        connection: sa.Connection,
        asked: Asked,
        config_id: int,
        entity_ids: tuple[str, ...] | None,
        settings: Mapping[str, Any],
    ) -> Launchable:
        """What is to be launched. Raises UsageError for days outside of the partitions."""
        days = date_partitions.get_partition_keys()
        outside = [day for day in (asked.start, asked.end) if day.isoformat() not in days]
        if outside:
            raise UsageError(
                f"{outside[0]} is outside of the partitions, {days[0]} to {days[-1]}; an earlier first day "
                "is set by ML_ASSETS_START_DATE."
            )
        return Launchable(
            asked, plan_launch(connection, self._instance, asked), config_id, entity_ids, settings
        )

    def launch(self, what: Launchable, launch_id: str, by: str) -> tuple[str, bool]:
        """Launch it: the id of the run or backfill, and whether it is a backfill.

        Raises WebserverGoneError (NotReadyError) where nobody answers, RunFailedError where Dagster refuses.
        """
        tags = {LAUNCHED_BY_TAG: f"api: {by}", LAUNCH_TAG: launch_id}
        asked, plan = what.asked, what.plan
        webserver = Webserver(self._url())
        if plan.is_one_partition:
            key, _ = plan.targets[0].keys
            place = {DATE: asked.start.isoformat(), ENTITY_TYPE: asked.level.value}
            tags |= {
                PARTITION_TAG: key,
                **{f"{PARTITION_TAG}/{name}": value for name, value in place.items()},
            }
            return webserver.launch_run(asked.assets, tags, what.run_config), False
        ranges = [PartitionRange(part.asset, *part.keys) for part in (*plan.upstream, *plan.targets)]
        title = f"{asked.assets[-1]} of {asked.level.value}s, {asked.start} to {asked.end}"
        return webserver.launch_backfill(ranges, tags, what.run_config, title), True

    def state(self, run_id: str) -> RunState | None:
        """How a run or backfill stands; None for an unknown id."""
        return run_state(self._instance, run_id)

    def goes_on(self, run_id: str) -> bool:
        """Whether a run or backfill may still write."""
        return goes_on(self._instance, run_id)
