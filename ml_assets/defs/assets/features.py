"""The asset `features`: what is known of each entity on a date, in `ml_features`."""

import dagster as dg
import polars as pl

from ml_assets.defs.inputs import read_feature_inputs
from ml_assets.defs.keys import run_keys
from ml_assets.defs.metadata import report, table_metadata
from ml_assets.defs.partitions import own_and_levels_above, partitions
from ml_assets.defs.policies import QUARTER_PER_RUN
from ml_assets.defs.resources import DatabaseResource
from ml_assets.defs.scope import Restriction, explained, open_finished_scope
from ml_assets.defs.writing import write_partitions
from ml_assets.entity_features import FEATURES
from ml_assets.features import compute_features
from ml_assets.features.inputs import LOOKBACK_DAYS
from ml_assets.report.column_docs import FEATURES_DOCS
from ml_assets.storage.tables import MLFeatures


@dg.asset(
    partitions_def=partitions,
    backfill_policy=QUARTER_PER_RUN,
    deps=[dg.AssetDep("entity_metrics", partition_mapping=own_and_levels_above)],
    group_name="judgements",
    kinds={"polars", "numpy"},
    owners=["team:ml_assets"],
    tags={"stage": "judge"},
    metadata=table_metadata("ml_features", FEATURES, FEATURES_DOCS),
)
def features(
    context: dg.AssetExecutionContext, config: Restriction, database: DatabaseResource
) -> dg.MaterializeResult:
    """What is known of each entity on a date, the estimate of its true CPL before all.

    That estimate rests on the entity's own leads and those of the levels above. With it: sums and ratios,
    trends, shares of the parent, audience overlap of adsets, creative fatigue of ads.

    Windows end on the date, inclusive. Money in the account's currency, ratios and relative changes as
    fractions, an undefined value is null. Days that are not over are refused. Entity metrics that are
    missing or older than the insights are made from the insights (`days_conformed_from_insights`).
    """
    with explained():
        engine = database.engine
        keys = run_keys(context.partition_keys)
        with engine.connect() as connection:
            scope = open_finished_scope(context, connection, keys, config)
            inputs, days_conformed = read_feature_inputs(connection, scope, LOOKBACK_DAYS)
        computed = [compute_features(inputs, level, dates) for level, dates in keys.dates.items()]
        rows = scope.rows_of(pl.concat(computed), "feature_date")
        table_rows = write_partitions(engine, MLFeatures, scope, rows, "feature_date")
        return report(
            context,
            scope,
            rows,
            date_column="feature_date",
            figures={
                "accounts": pl.col("config_id").n_unique(),
                "entities": pl.struct("config_id", "entity_id").n_unique(),
                "active_entities": pl.col("is_active").sum(),
                "spend_7d": pl.col("spend_7d").sum(),
                "leads_7d": pl.col("leads_7d").sum(),
                "insufficient_share": pl.col("insufficient_data").mean(),
                "cpl_shrunk_p10": pl.col("cpl_shrunk").quantile(0.1),
                "cpl_shrunk_median": pl.col("cpl_shrunk").median(),
                "cpl_shrunk_p90": pl.col("cpl_shrunk").quantile(0.9),
                "maturity_mean": pl.col("maturity").mean(),
            },
            preview=[
                "spend_7d",
                "leads_7d",
                "cpl_7d",
                "cpl_shrunk",
                "cpl_shrunk_lo_80",
                "cpl_shrunk_hi_80",
                "insufficient_data",
            ],
            preview_by="spend_7d",
            entities=inputs.entities,
            table_rows=table_rows,
            common={"days_conformed_from_insights": days_conformed},
        )
