"""The asset `classifications`: the tier of each entity on a date, in `ml_classifications`."""

import dagster as dg
import polars as pl

from ml_assets.classification import CLASSIFICATIONS, INSUFFICIENT_DATA, LOOKBACK_DAYS, TIERS, classify
from ml_assets.defs.inputs import read_feature_inputs
from ml_assets.defs.keys import run_keys
from ml_assets.defs.metadata import report, table_metadata
from ml_assets.defs.partitions import own_and_levels_above, own_and_parent_level, partitions
from ml_assets.defs.policies import HALF_YEAR_PER_RUN
from ml_assets.defs.resources import DatabaseResource
from ml_assets.defs.scope import Restriction, explained, open_finished_scope
from ml_assets.defs.writing import write_partitions
from ml_assets.entity_features import FEATURES
from ml_assets.report.column_docs import CLASSIFICATIONS_DOCS
from ml_assets.storage.reads import read_table
from ml_assets.storage.tables import MLClassification, MLFeatures


@dg.asset(
    partitions_def=partitions,
    backfill_policy=HALF_YEAR_PER_RUN,
    deps=[
        dg.AssetDep("features", partition_mapping=own_and_parent_level),
        dg.AssetDep("entity_metrics", partition_mapping=own_and_levels_above),
    ],
    group_name="judgements",
    kinds={"polars", "numpy"},
    owners=["team:ml_assets"],
    tags={"stage": "judge"},
    metadata=table_metadata("ml_classifications", CLASSIFICATIONS, CLASSIFICATIONS_DOCS),
)
def classifications(
    context: dg.AssetExecutionContext, config: Restriction, database: DatabaseResource
) -> dg.MaterializeResult:
    """The tier of each entity on a date: the band of its true CPL against the target, with its probability.

    HIGH_PERFORMER up to 0.7 of the target CPL, MODERATE up to it, LOW up to 1.5 of it, UNDERPERFORMER above;
    INSUFFICIENT_DATA where too little was spent to tell. A tier changes only when two dates in a row say so;
    the dates before are replayed from entity metrics, so the order of a backfill does not matter. Days that
    are not over are refused. Probabilities and confidence are fractions.
    """
    with explained():
        engine = database.engine
        keys = run_keys(context.partition_keys)
        with engine.connect() as connection:
            scope = open_finished_scope(context, connection, keys, config)
            inputs, days_conformed = read_feature_inputs(connection, scope, LOOKBACK_DAYS)
            known = read_table(
                connection,
                MLFeatures,
                keys.start,
                keys.end,
                keys.levels,
                scope.config_ids,
                columns=tuple(FEATURES),
            )
        classified = [classify(inputs, level, dates, known) for level, dates in keys.dates.items()]
        rows = scope.rows_of(pl.concat(classified), "classification_date")
        table_rows = write_partitions(engine, MLClassification, scope, rows, "classification_date")
        return report(
            context,
            scope,
            rows,
            date_column="classification_date",
            figures={
                "accounts": pl.col("config_id").n_unique(),
                "entities": pl.struct("config_id", "entity_id").n_unique(),
                **{tier.lower(): (pl.col("tier") == tier).sum() for tier in (*TIERS, INSUFFICIENT_DATA)},
                "without_tier": pl.col("tier").is_null().sum(),
                "insufficient_share": (pl.col("tier") == INSUFFICIENT_DATA).mean(),
                "confidence_mean": pl.col("confidence_score").mean(),
                "tier_changes": pl.col("tier_change_direction").is_in(["up", "down"]).sum(),
            },
            preview=[
                "tier",
                "confidence_score",
                "previous_tier",
                "tier_change_direction",
                "days_in_tier",
            ],
            preview_by="confidence_score",
            entities=inputs.entities,
            table_rows=table_rows,
            common={"days_conformed_from_insights": days_conformed},
        )
