"""The entities of an account by level: all of them, or those active as of a date."""

import datetime as dt
from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.entity_state import RECENT_DAYS, state_as_of
from ml_assets.frames import KEY
from ml_assets.local_days import local_date, zones_of
from ml_assets.storage.reads import (
    read_accounts,
    read_entities,
    read_entity_versions,
    read_insights,
)


class EntityRepository:
    """Reads the entities of one account at a time; frames in ENTITIES, sorted by id.

    Active means active at the end of the account-local day `as_of` (None: the account's running day), as
    `ml_assets.entity_state.state_as_of` defines it.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get_campaigns(self, config_id: int, ids: Sequence[str] | None = None) -> pl.DataFrame:
        """All campaigns, or those with the given ids."""
        return self._get(EntityType.CAMPAIGN, config_id, ids)

    def get_adsets(self, config_id: int, ids: Sequence[str] | None = None) -> pl.DataFrame:
        """All adsets, or those with the given ids."""
        return self._get(EntityType.ADSET, config_id, ids)

    def get_ads(self, config_id: int, ids: Sequence[str] | None = None) -> pl.DataFrame:
        """All ads, or those with the given ids."""
        return self._get(EntityType.AD, config_id, ids)

    def get_active_campaigns(self, config_id: int, as_of: dt.date | None = None) -> pl.DataFrame:
        """The campaigns that were active on `as_of`."""
        return self._get_active(EntityType.CAMPAIGN, config_id, as_of)

    def get_active_adsets(self, config_id: int, as_of: dt.date | None = None) -> pl.DataFrame:
        """The adsets that were active on `as_of`."""
        return self._get_active(EntityType.ADSET, config_id, as_of)

    def get_active_ads(self, config_id: int, as_of: dt.date | None = None) -> pl.DataFrame:
        """The ads that were active on `as_of`."""
        return self._get_active(EntityType.AD, config_id, as_of)

    def _get(self, level: EntityType, config_id: int, ids: Sequence[str] | None) -> pl.DataFrame:
        with self._engine.connect() as connection:
            return read_entities(connection, [level], [config_id], ids)

    def _get_active(self, level: EntityType, config_id: int, as_of: dt.date | None) -> pl.DataFrame:
        with self._engine.connect() as connection:
            accounts = read_accounts(connection, [config_id], active_only=False)
            day = as_of or _running_day(accounts)
            entities = read_entities(connection, level.path, [config_id])
            versions = read_entity_versions(connection, [config_id])
            insights = read_insights(
                connection,
                day - dt.timedelta(days=RECENT_DAYS - 1),
                day,
                LEVELS,
                [config_id],
                window_days=1,
            )
        delivered = insights.filter(pl.col("impressions") > 0).select(*KEY, "date")
        state = state_as_of(entities, versions, accounts, [day], delivered)
        active = state.filter((pl.col("entity_type") == level.value) & pl.col("is_active"))
        return entities.join(active, on=tuple(KEY), how="semi").sort("entity_id")


def _running_day(accounts: pl.DataFrame) -> dt.date:
    now = dt.datetime.now(dt.UTC)
    if not accounts.height:
        return now.date()
    moment = pl.lit(now).cast(pl.Datetime("us", "UTC"))
    return accounts.select(
        local_date(moment, pl.col("timezone").fill_null("UTC"), zones_of(accounts)).alias("day")
    )["day"][0]
