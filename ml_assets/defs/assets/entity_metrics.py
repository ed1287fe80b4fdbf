"""The asset `entity_metrics`: the conformed daily figures of a level, in `ml_entity_metrics`."""

import dagster as dg
import polars as pl

from ml_assets.defs.inputs import conform_days
from ml_assets.defs.keys import run_keys
from ml_assets.defs.metadata import report, table_metadata
from ml_assets.defs.partitions import own_and_levels_below, partitions
from ml_assets.defs.policies import YEAR_PER_RUN
from ml_assets.defs.resources import DatabaseResource
from ml_assets.defs.scope import Restriction, explained, open_scope
from ml_assets.defs.writing import write_partitions
from ml_assets.frames import ENTITY_METRICS
from ml_assets.report.column_docs import ENTITY_METRICS_DOCS
from ml_assets.storage.reads import read_entities
from ml_assets.storage.tables import MLEntityMetrics
from ml_assets.storage.writes import store_rejected


@dg.asset(
    partitions_def=partitions,
    backfill_policy=YEAR_PER_RUN,
    deps=[dg.AssetDep("insights", partition_mapping=own_and_levels_below)],
    group_name="figures",
    kinds={"polars"},
    owners=["team:ml_assets"],
    tags={"stage": "conform"},
    metadata=table_metadata("ml_entity_metrics", ENTITY_METRICS, ENTITY_METRICS_DOCS),
)
def entity_metrics(
    context: dg.AssetExecutionContext, config: Restriction, database: DatabaseResource
) -> dg.MaterializeResult:
    """The figures of each entity on a day, one row whatever levels the source delivers.

    A level's own rows win; where it has none, its children's are summed. Where both are there and differ,
    the difference is kept in `residual_*` and never spread over the children. Reach and frequency are unique
    counts and never summed.

    Money in the account's currency, major units; days in the account's time zone. Insights that cannot be
    right are left out and kept in `ads_rejected_rows` with the reason.
    """
    with explained():
        engine = database.engine
        keys = run_keys(context.partition_keys)
        with engine.connect() as connection:
            scope = open_scope(context, connection, keys, config)
            entities = read_entities(connection, config_ids=scope.config_ids)
            conformed = conform_days(connection, keys.start, keys.end, scope.config_ids, entities)
        rows = scope.rows_of(conformed.frame, "date")
        with engine.begin() as connection:
            store_rejected(connection, conformed.rejected)
        table_rows = write_partitions(engine, MLEntityMetrics, scope, rows, "date")
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
                "summed_from_children": (pl.col("delivered_level") != pl.col("entity_type")).sum(),
                "residual_spend": pl.col("residual_spend").sum(),
            },
            preview=["spend", "impressions", "clicks", "leads", "delivered_level"],
            preview_by="spend",
            entities=entities,
            table_rows=table_rows,
            common={"rejected": conformed.rejected.height},
        )
