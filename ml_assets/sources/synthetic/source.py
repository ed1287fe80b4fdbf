"""The synthetic account as a source of insights: made once, sliced at every call."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.errors import UsageError
from ml_assets.frames import INSIGHTS, empty
from ml_assets.sources.protocol import AccountInfo, Delivery
from ml_assets.sources.synthetic.config import SyntheticConfig
from ml_assets.sources.synthetic.delivery import Cells, add_residual, deliver
from ml_assets.sources.synthetic.entity_frames import entity_rows, make_versions, version_rows
from ml_assets.sources.synthetic.incidents import Incident
from ml_assets.sources.synthetic.insights import day_rows, delivered, sync_instants, week_rows
from ml_assets.sources.synthetic.intraday import intraday_rows
from ml_assets.sources.synthetic.late import Events, draw_events, settled_events
from ml_assets.sources.synthetic.management import Management, manage
from ml_assets.sources.synthetic.rates import Calendar, make_calendar, make_rates
from ml_assets.sources.synthetic.reach import Reach, make_reach
from ml_assets.sources.synthetic.targeting import Descriptions, describe
from ml_assets.sources.synthetic.tree import Tree, make_tree
from ml_assets.sources.synthetic.truth import (
    Truth,
    edit_rows,
    fatigue_rows,
    holiday_rows,
    incident_rows,
    late_lead_rows,
    make_days,
    pair_rows,
    residual_rows,
)


@dataclass(frozen=True)
class _Account:
    """Everything drawn for one config."""

    tree: Tree
    management: Management
    calendar: Calendar
    cells: Cells
    residual: Cells
    incidents: list[Incident]
    descriptions: Descriptions
    events: Events
    reach: dict[EntityType, Reach]


class SyntheticSource:
    """An `InsightsSource` with known truth. Equal configs deliver equal frames, whatever is asked first.

    Nothing is drawn before the first call; the account is then kept in memory.
    """

    def __init__(self, config: SyntheticConfig | None = None) -> None:
        config = config or SyntheticConfig()
        if config.end is None:
            yesterday = dt.datetime.now(ZoneInfo(config.timezone)).date() - dt.timedelta(days=1)
            config = replace(config, end=yesterday)
        self.config = config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "SyntheticSource":
        """The source of the JSON in `ads_accounts.source`; its keys are those of `SyntheticConfig`.

        Raises UsageError for an unknown key or a value that no account can have. Store `end`, or the
        account moves on with every day.
        """
        return cls(SyntheticConfig.from_mapping(config))

    def account(self) -> AccountInfo:
        """The account; its id is made of the seed."""
        config = self.config
        return AccountInfo(
            account_id=str(900_000_000_000_000 + config.seed),
            name=config.name,
            currency=config.currency,
            timezone=config.timezone,
            conversion_actions=("lead",),
            target_cpl=config.target_cpl,
            monthly_budget=config.monthly_budget,
        )

    def entities(self, known_at: dt.datetime | None = None) -> Delivery:
        """Entities as they were at `known_at`, and all their versions until then.

        Without `known_at`: now, or the morning after the last day where that is over.
        """
        if known_at is None:
            known_at = min(dt.datetime.now(dt.UTC), self.last_sync)
        known_at = _utc(known_at)
        account = self._account
        return Delivery(
            entities=entity_rows(account.tree, account.descriptions, self._versions, known_at),
            entity_versions=version_rows(self._versions, known_at),
        )

    def insights(
        self,
        entity_types: Sequence[EntityType],
        start: dt.date,
        end: dt.date,
        known_at: dt.datetime,
        *,
        versions: bool | None = None,
    ) -> Delivery:
        """Rows of the levels for days in [start, end], every version read up to `known_at`.

        `versions=False` leaves only the newest version of each row; None takes the config's choice.
        Sorted by level, window, entity, date and known_at. Days outside the account have no rows.
        """
        known = _utc(known_at).replace(tzinfo=None)
        keep_all = self.config.versions if versions is None else versions
        frames: list[pl.DataFrame] = []
        for level in dict.fromkeys(EntityType(item) for item in entity_types):
            parts = self._parts(level, start, end, known)
            frames += [delivered(part if keep_all else _newest(part), level) for part in parts]
        return Delivery(insights=pl.concat(frames) if frames else empty(INSIGHTS))

    @property
    def last_sync(self) -> dt.datetime:
        """The first reading that holds all days of the account, UTC."""
        return self._instants[self.config.days].item().replace(tzinfo=dt.UTC)

    @cached_property
    def truth(self) -> Truth:
        """The truth behind the figures, for judging estimates."""
        config, account = self.config, self._account
        return Truth(
            days=make_days(config, account.tree, account.cells, account.residual),
            incidents=incident_rows(config, account.tree, account.incidents, self.account().account_id),
            fatigue=fatigue_rows(config, account.tree, account.management.fatigue),
            overlap_pairs=pair_rows(account.tree, account.descriptions.overlap_pairs),
            late_leads=late_lead_rows(config),
            edits=edit_rows(config, self._versions),
            residuals=residual_rows(config, account.tree, account.residual),
            holidays=holiday_rows(config, account.calendar),
        )

    @cached_property
    def _instants(self) -> np.ndarray:
        return sync_instants(self.config)

    @cached_property
    def _account(self) -> _Account:
        config = self.config
        tree = make_tree(config)
        management = manage(config, tree)
        calendar = make_calendar(config)
        rates = make_rates(config, tree, management, calendar)
        cells, incidents = deliver(config, tree, management, rates, calendar)
        residual = add_residual(config, tree, cells)
        ad_impressions = np.zeros((config.ads, config.days), dtype=np.int64)
        ad_impressions[cells.ad, cells.day] = cells.impressions
        residual_impressions = np.zeros((config.campaigns, config.days), dtype=np.int64)
        residual_impressions[residual.ad, residual.day] = residual.impressions
        return _Account(
            tree=tree,
            management=management,
            calendar=calendar,
            cells=cells,
            residual=residual,
            incidents=incidents,
            descriptions=describe(config, tree),
            events=draw_events(config, tree, cells),
            reach=make_reach(config, tree, ad_impressions, residual_impressions),
        )

    @cached_property
    def _versions(self) -> dict[EntityType, pl.DataFrame]:
        account = self._account
        return {
            level: make_versions(self.config, account.tree, account.management, account.descriptions, level)
            for level in LEVELS
        }

    @cached_property
    def _row_cache(self) -> dict[EntityType, tuple[pl.DataFrame, ...]]:
        return {}

    def _rows(self, level: EntityType) -> tuple[pl.DataFrame, ...]:
        """Day rows and week rows of a level, every version there will ever be."""
        if level not in self._row_cache:
            account = self._account
            of_level, reach = account.tree.levels[level], account.reach[level]
            self._row_cache[level] = (
                day_rows(self.config, of_level, self._events(level), reach, self._instants),
                week_rows(self.config, of_level, reach, self._instants),
            )
        return self._row_cache[level]

    def _parts(
        self, level: EntityType, start: dt.date, end: dt.date, known: dt.datetime
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Day rows and week rows of [start, end] as known, hourly versions among the former."""
        asked = pl.col("date").is_between(start, end) & (pl.col("known_at") <= known)
        days, weeks = (rows.filter(asked) for rows in self._rows(level))
        if self.config.intraday:
            first = max((start - self.config.first_day).days, 0)
            last = min((end - self.config.first_day).days, self.config.days - 1)
            hourly = [self._intraday(day)[level].filter(asked) for day in range(first, last + 1)]
            days = pl.concat([days, *hourly]).sort("entity_id", "date", "known_at")
        return days, weeks

    def _intraday(self, day: int) -> dict[EntityType, pl.DataFrame]:
        if day not in self._hourly_cache:
            account = self._account
            self._hourly_cache[day] = intraday_rows(
                self.config, account.tree, account.management, account.cells, account.events, day
            )
        return self._hourly_cache[day]

    @cached_property
    def _hourly_cache(self) -> dict[int, dict[EntityType, pl.DataFrame]]:
        return {}

    def _events(self, level: EntityType) -> Events:
        """The events of ads as events of a level; campaigns have those of deleted adsets on top."""
        events, ads = self._account.events, self._account.tree.ads
        if level is EntityType.AD:
            return events
        if level is EntityType.ADSET:
            return replace(events, entity=ads.parent[events.entity])
        residual = settled_events(self._account.residual)
        names = ("day", "age", *Events.FIGURES)
        return Events(
            entity=np.concatenate([ads.campaign[events.entity], residual.entity]),
            **{name: np.concatenate([getattr(events, name), getattr(residual, name)]) for name in names},
        )


def _newest(rows: pl.DataFrame) -> pl.DataFrame:
    """The last version of each row; `rows` are sorted by entity, date and known_at."""
    row = pl.struct("entity_id", "date").rle_id()
    return rows.filter((row != row.shift(-1)).fill_null(value=True))


def _utc(known_at: dt.datetime) -> dt.datetime:
    if known_at.tzinfo is None:
        raise UsageError(f"known_at needs a time zone, got {known_at.isoformat()}.")
    return known_at.astimezone(dt.UTC)
