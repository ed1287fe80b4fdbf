"""What a source of insights is, and the one frame bundle every source delivers."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from ml_assets.entities import EntityType
from ml_assets.frames import (
    ENTITIES,
    ENTITY_VERSIONS,
    INSIGHTS,
    REJECTED_ROWS,
    empty,
)


@dataclass(frozen=True)
class AccountInfo:
    """What a source knows of the account. None: the source does not say."""

    account_id: str
    name: str
    currency: str | None = None
    timezone: str | None = None
    conversion_actions: tuple[str, ...] | None = None
    target_cpl: float | None = None
    monthly_budget: float | None = None


@dataclass(frozen=True)
class Delivery:
    """What a source delivered: frames in the schemas of `ml_assets.frames`.

    `config_id` is null in every frame until the account has its key; storing sets it.
    `rejected` holds rows that cannot be right, with line and reason; `warnings` are sentences about
    what is odd but was loaded, and about what the source lacks and so switches off.
    """

    entities: pl.DataFrame = field(default_factory=lambda: empty(ENTITIES))
    entity_versions: pl.DataFrame = field(default_factory=lambda: empty(ENTITY_VERSIONS))
    insights: pl.DataFrame = field(default_factory=lambda: empty(INSIGHTS))
    rejected: pl.DataFrame = field(default_factory=lambda: empty(REJECTED_ROWS))
    warnings: tuple[str, ...] = ()


class InsightsSource(Protocol):
    """Where the figures of one account come from."""

    def account(self) -> AccountInfo:
        """The account, as far as the source knows it."""
        ...

    def entities(self) -> Delivery:
        """All entities of all levels, with the versions of their watched fields."""
        ...

    def insights(
        self, entity_types: Sequence[EntityType], start: dt.date, end: dt.date, known_at: dt.datetime
    ) -> Delivery:
        """Figures of the levels for the account-local days [start, end], as known at `known_at`.

        Days without delivery have no row. Every row carries the `known_at` at which its figures were
        (or would have been) read; it is never later than the argument.
        """
        ...


class SourceFactory(Protocol):
    """Makes the source of an account from the JSON in `ads_accounts.source`."""

    def __call__(self, config: Mapping[str, Any]) -> InsightsSource:
        """The source. Raises UsageError for a setting it does not have."""
        ...
