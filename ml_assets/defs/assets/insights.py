"""The asset `insights`: what the sources delivered for a day, kept in versions in `ads_insights`."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from ml_assets.defs.keys import run_keys
from ml_assets.defs.metadata import report, table_metadata
from ml_assets.defs.partitions import partitions
from ml_assets.defs.policies import THREE_MONTHS_PER_RUN
from ml_assets.defs.resources import DatabaseResource
from ml_assets.defs.scope import AccountRestriction, Scope, explained, open_scope
from ml_assets.frames import INSIGHTS
from ml_assets.report.column_docs import INSIGHTS_DOCS
from ml_assets.sources.registry import source_of
from ml_assets.storage.counts import count_rows
from ml_assets.storage.reads import read_entities, read_insights
from ml_assets.storage.tables import AdsInsight
from ml_assets.storage.writes import store_delivery

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True)
class Pulled:
    """What reading the configured sources brought."""

    accounts: int = 0
    rows_added: int = 0
    rejected: int = 0
    warnings: tuple[str, ...] = ()


@dg.asset(
    partitions_def=partitions,
    backfill_policy=THREE_MONTHS_PER_RUN,
    group_name="figures",
    kinds={"meta", "polars"},
    owners=["team:ml_assets"],
    tags={"stage": "load"},
    metadata=table_metadata("ads_insights", INSIGHTS, INSIGHTS_DOCS),
    # Meta limits the calls of an app, whoever makes them: runs that read wait for each other in the queue.
    pool="meta_api",
)
def insights(
    context: dg.AssetExecutionContext, config: AccountRestriction, database: DatabaseResource
) -> dg.MaterializeResult:
    """Meta's delivery figures of each entity on a day, as the account's source delivers them.

    An account with a configured source is read for these days; figures that changed since the last reading
    become a new version, nothing is overwritten. An account that is fed from outside (an Ads Manager
    export, a loader that writes `ads_insights`) is reported as it stands.

    Spend in the account's currency, major units; days in the account's time zone; a day without delivery has
    no row. Rows that cannot be right are set aside in `ads_rejected_rows` with line and reason.
    """
    with explained():
        engine = database.engine
        keys = run_keys(context.partition_keys)
        with engine.connect() as connection:
            scope = open_scope(context, connection, keys, config)
        pulled = pull(engine, scope, dt.datetime.now(dt.UTC))
        with engine.connect() as connection:
            rows = read_insights(
                connection, keys.start, keys.end, keys.levels, scope.config_ids, window_days=1
            )
            entities = read_entities(connection, keys.levels, scope.config_ids)
            table_rows = count_rows(connection, AdsInsight)
        return report(
            context,
            scope,
            rows,
            date_column="date",
            figures={
                "accounts": pl.col("config_id").n_unique(),
                "entities": pl.struct("config_id", "entity_id").n_unique(),
                "spend": pl.col("spend").sum(),
                "leads": pl.col("leads").sum(),
            },
            preview=["spend", "impressions", "clicks", "leads", "known_at"],
            preview_by="spend",
            entities=entities,
            table_rows=table_rows,
            notes=pulled.warnings,
            common={
                "accounts_pulled": pulled.accounts,
                "rows_added": pulled.rows_added,
                "rejected": pulled.rejected,
            },
        )


def pull(engine: "Engine", scope: Scope, known_at: dt.datetime) -> Pulled:
    """Read the accounts of `scope` that have a source, and store each one's delivery as a whole.

    Raises UsageError for a source that does not exist, and whatever InputError a source raises.
    """
    done = Pulled()
    for config_id, configured in scope.accounts.select("config_id", "source").rows():
        source = source_of(configured)
        if source is None:
            continue
        keys = scope.keys
        deliveries = [source.entities(), source.insights(keys.levels, keys.start, keys.end, known_at)]
        for delivery in deliveries:
            with engine.begin() as connection:
                counts = store_delivery(connection, config_id, delivery, known_at)
            done = Pulled(
                accounts=done.accounts,
                rows_added=done.rows_added + counts.insights.inserted,
                rejected=done.rejected + counts.rejected,
                warnings=(*done.warnings, *(f"Account {config_id}: {text}" for text in delivery.warnings)),
            )
        done = Pulled(done.accounts + 1, done.rows_added, done.rejected, done.warnings)
    return done
