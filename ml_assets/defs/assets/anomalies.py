"""The asset `anomalies`: what is out of the ordinary on a date, in `ml_anomalies`, and its incidents."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from ml_assets.anomalies.detect import detect_anomalies
from ml_assets.anomalies.frames import TYPES
from ml_assets.anomalies.words import describe_incidents
from ml_assets.defs.anomaly_inputs import read_anomaly_inputs
from ml_assets.defs.incident_metadata import incident_metadata, not_judged_notes
from ml_assets.defs.keys import run_keys
from ml_assets.defs.metadata import report, table_metadata
from ml_assets.defs.partitions import all_levels, partitions
from ml_assets.defs.policies import SIXTEEN_WEEKS_PER_RUN
from ml_assets.defs.resources import DatabaseResource
from ml_assets.defs.scope import Restriction, explained, open_scope
from ml_assets.defs.writing import write_partitions
from ml_assets.entities import EntityType
from ml_assets.report.column_docs import ANOMALIES_DOCS, ANOMALIES_STORED
from ml_assets.settings import settings
from ml_assets.storage.anomalies import replace_anomalies
from ml_assets.storage.incident_days import roots_of, store_incidents
from ml_assets.storage.tables import MLAnomaly

if TYPE_CHECKING:
    from sqlalchemy import Connection

_DATE = "anomaly_date"
_SEEN_ON = "evaluated_date"


@dg.asset(
    partitions_def=partitions,
    backfill_policy=SIXTEEN_WEEKS_PER_RUN,
    deps=[dg.AssetDep("entity_metrics", partition_mapping=all_levels)],
    group_name="judgements",
    kinds={"polars", "numpy", "scikitlearn"},
    owners=["team:ml_assets"],
    tags={"stage": "watch"},
    metadata=table_metadata("ml_anomalies", ANOMALIES_STORED, ANOMALIES_DOCS),
)
def anomalies(
    context: dg.AssetExecutionContext, config: Restriction, database: DatabaseResource
) -> dg.MaterializeResult:
    """What is out of the ordinary on a date: few alarms, one incident for each cause.

    Every metric of every entity against its own past; a root for what moves together, across levels and
    metrics. An incident is what the newest date says of it, in `ml_incidents`; with the campaigns those of
    whole accounts are written. The days before are followed anew from entity metrics, so the order of a
    backfill does not matter. What people did with an incident stays through every run.

    A day that still runs is judged by the share of the day that is expected by now, and its rows are
    provisional until the day is over; where the history does not tell that share, the day is not judged, and
    the notes say why. Money in the account's currency.
    """
    with explained():
        engine = database.engine
        keys = run_keys(context.partition_keys)
        with engine.connect() as connection:
            scope = open_scope(context, connection, keys, config)
            inputs, days_conformed = read_anomaly_inputs(connection, scope, dt.datetime.now(dt.UTC))
        language = settings().language
        found = {
            level: detect_anomalies(inputs, level, dates, language=language)
            for level, dates in keys.dates.items()
        }
        waiting = inputs.running.filter(pl.col("reason").is_not_null())
        rows = pl.concat(level.anomalies for level in found.values())
        rows = scope.rows_of(_judged(rows, _DATE, waiting), _DATE)
        incidents = pl.concat(level.incidents for level in found.values())
        incidents = scope.rows_of(_judged(incidents, _SEEN_ON, waiting), _SEEN_ON)
        not_judged = pl.concat(level.not_judged for level in found.values())

        def not_found_any_more(incidents: pl.DataFrame) -> pl.DataFrame:
            figures = inputs.figures
            return describe_incidents(incidents, figures.entities, figures.accounts, language, is_lost=True)

        def replace(
            connection: "Connection",
            frame: pl.DataFrame,
            entity_type: EntityType,
            dates: Sequence[dt.date],
            config_ids: Sequence[int],
            entity_ids: Sequence[str] | None = None,
        ) -> int:
            """The incidents of a level and its anomalies, in one transaction."""
            of_level = incidents.filter(pl.col("entity_type").is_in(roots_of(entity_type)))
            store_incidents(
                connection, of_level, entity_type, dates, config_ids, entity_ids, retell=not_found_any_more
            )
            return replace_anomalies(connection, frame, entity_type, dates, config_ids, entity_ids)

        table_rows = write_partitions(engine, MLAnomaly, scope, rows, _DATE, replace)
        return report(
            context,
            scope,
            rows,
            date_column=_DATE,
            figures={
                "accounts": pl.col("config_id").n_unique(),
                "entities": pl.struct("config_id", "entity_id").n_unique(),
                "alerts": pl.col("is_alert").sum(),
                "provisional": pl.col("is_provisional").sum(),
                "of_no_incident": pl.col("incident_id").is_null().sum(),
                **{kind.lower(): (pl.col("anomaly_type") == kind).sum() for kind in TYPES},
            },
            tables=incident_metadata(keys, incidents, not_judged, inputs.figures, language),
            table_rows=table_rows,
            notes=not_judged_notes(not_judged),
            common={"days_conformed_from_insights": days_conformed},
            if_empty="nothing is out of the ordinary",
        )


def _judged(rows: pl.DataFrame, date_column: str, waiting: pl.DataFrame) -> pl.DataFrame:
    """`rows` without those of running days that are not judged: what was said last stands until they are."""
    return rows.join(waiting, left_on=["config_id", date_column], right_on=["config_id", "date"], how="anti")
