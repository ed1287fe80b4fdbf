"""Checks of features, classifications, anomalies and recommendations: one reading a run each."""

from collections.abc import Callable, Sequence

import dagster as dg
import polars as pl

from ml_assets.checks.results import (
    ANOMALY_COLUMNS,
    CLASSIFICATION_COLUMNS,
    FEATURE_COLUMNS,
    RECOMMENDATION_COLUMNS,
    check_anomalies,
    check_classifications,
    check_features,
    check_recommendations,
)
from ml_assets.defs.checks.evaluations import CheckEvents, check_events, partitioned_spec
from ml_assets.defs.keys import RunKeys, run_keys
from ml_assets.defs.resources import DatabaseResource
from ml_assets.defs.scope import explained
from ml_assets.storage.keys import date_column, table_of
from ml_assets.storage.reads import read_accounts, read_table
from ml_assets.storage.recommendations import read_suspensions
from ml_assets.storage.tables import Base, MLAnomaly, MLClassification, MLFeatures, MLRecommendation

_ROWS = "rows_at_fault"

Judge = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]
"""Rows of a run and its suspensions -> VERDICTS."""


def _check(
    spec: dg.AssetCheckSpec, model: type[Base], columns: Sequence[str], judge: Judge
) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name=f"{spec.asset_key.to_user_string()}_checks", specs=[spec])
    def check(context: dg.AssetCheckExecutionContext, database: DatabaseResource) -> CheckEvents:
        with explained():
            keys = run_keys(context.partition_keys)
            rows, suspended = _read(database, keys, model, columns)
        yield from check_events(context, spec, keys, judge(rows, suspended))

    return check


def _read(
    database: DatabaseResource, keys: RunKeys, model: type[Base], columns: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the levels and days of a run, their day as `date`, and the SUSPENSIONS of these days."""
    day = date_column(table_of(model)).name
    names = ("config_id", "entity_type", "entity_id", day, *columns)
    with database.engine.connect() as connection:
        config_ids = read_accounts(connection)["config_id"].to_list()
        rows = read_table(connection, model, keys.start, keys.end, keys.levels, config_ids, columns=names)
        suspended = read_suspensions(connection, keys.start, keys.end, config_ids)
    return rows.rename({day: "date"}), suspended


features_finite = _check(
    partitioned_spec("features", "features_finite", "Every feature is a number or null.", measures=_ROWS),
    MLFeatures,
    FEATURE_COLUMNS,
    lambda rows, _: check_features(rows),
)

probabilities_coherent = _check(
    partitioned_spec(
        "classifications",
        "probabilities_coherent",
        "Probabilities of the tiers sum to 1, and confidence is that of the tier that is named.",
        measures=_ROWS,
    ),
    MLClassification,
    CLASSIFICATION_COLUMNS,
    lambda rows, _: check_classifications(rows),
)

p_values_valid = _check(
    partitioned_spec(
        "anomalies",
        "p_values_valid",
        "P-values lie between 0 and 1, bands are in order and severities are known.",
        measures=_ROWS,
    ),
    MLAnomaly,
    ANOMALY_COLUMNS,
    lambda rows, _: check_anomalies(rows),
)

guards_hold = _check(
    partitioned_spec(
        "recommendations",
        "guards_hold",
        "Confidence lies between 0 and 1, and nothing is issued for an account whose figures of the day did "
        "not pass the data checks.",
        measures=_ROWS,
    ),
    MLRecommendation,
    RECOMMENDATION_COLUMNS,
    check_recommendations,
)

RESULT_CHECKS = (features_finite, probabilities_coherent, p_values_valid, guards_hold)
