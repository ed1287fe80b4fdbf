"""The asset `forecasts`: the days after a date, in `ml_forecasts` and `ml_forecast_points`."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from pydantic import Field

from ml_assets.defs.forecast_inputs import read_forecast_inputs
from ml_assets.defs.forecast_metadata import forecast_metadata, prophet_notes
from ml_assets.defs.keys import run_keys
from ml_assets.defs.metadata import report, table_metadata
from ml_assets.defs.partitions import all_levels, partitions
from ml_assets.defs.policies import FIVE_MONTHS_PER_RUN
from ml_assets.defs.resources import DatabaseResource
from ml_assets.defs.scope import Restriction, explained, open_finished_scope
from ml_assets.defs.writing import write_partitions
from ml_assets.entities import EntityType
from ml_assets.forecasts.candidates import DEFAULT_METHODS, ForecastPolicy
from ml_assets.forecasts.frames import DEFAULT_HORIZON, FORECASTS, METRICS, MOST_HORIZON, UNATTRIBUTED
from ml_assets.forecasts.make import make_levels
from ml_assets.report.column_docs import FORECASTS_DOCS
from ml_assets.settings import settings
from ml_assets.storage.forecast_actuals import score_forecasts
from ml_assets.storage.forecasts import replace_forecasts
from ml_assets.storage.tables import MLForecast

if TYPE_CHECKING:
    from sqlalchemy import Connection

_DATE = "forecast_date"
_IS_ENTITY = ~pl.col("entity_id").str.starts_with(UNATTRIBUTED)


class ForecastConfig(Restriction):
    """Which rows are replaced, how far ahead is looked, and by which methods."""

    horizon_days: int = Field(
        default=DEFAULT_HORIZON,
        description=f"Days ahead, 1 to {MOST_HORIZON}. Forecasts of another horizon of the date stay.",
    )
    methods: list[str] = Field(
        default=[],
        description="Methods to choose among, such as smoothing or prophet; empty: those of the settings.",
    )


@dg.asset(
    partitions_def=partitions,
    backfill_policy=FIVE_MONTHS_PER_RUN,
    deps=[dg.AssetDep("entity_metrics", partition_mapping=all_levels)],
    group_name="judgements",
    kinds={"polars", "numpy"},
    owners=["team:ml_assets"],
    tags={"stage": "foresee"},
    metadata=table_metadata("ml_forecasts", FORECASTS, FORECASTS_DOCS),
    # Prophet fills the cores by itself. The other methods are done in seconds and wait for nobody.
    pool="prophet" if "prophet" in settings().forecast_methods else None,
)
def forecasts(
    context: dg.AssetExecutionContext, config: ForecastConfig, database: DatabaseResource
) -> dg.MaterializeResult:
    """Spend, impressions, clicks and leads of the days after a date, with intervals of 80 and 95 %.

    CPL, CTR, CPC and CPM are derived from the same sample paths. Every run forecasts the whole tree of an
    account and writes its own level, so levels of one date and one reading add up; what is of no child is a
    row `unattributed:` with the id of its parent. Methods are weighted per series by their errors in a
    backtest, which is stored. Leads count by the share of them that is in. Under 14 days of history the shape
    is the parent's, under 3 there are no numbers. Points of days that have come get their actual value. Days
    that are not over are refused. Money in the account's currency, rates as fractions.
    """
    with explained():
        engine = database.engine
        keys = run_keys(context.partition_keys)
        with engine.connect() as connection:
            scope = open_finished_scope(context, connection, keys, config)
            inputs, days_conformed = read_forecast_inputs(connection, scope)
        policy = policy_of(config.methods)
        made = make_levels(inputs, keys.dates, config.horizon_days, policy)
        rows = scope.rows_of(pl.concat(level.forecasts for level in made.values()), _DATE)
        points = {level: scope.rows_of(found.points, _DATE) for level, found in made.items()}

        def replace(
            connection: "Connection",
            frame: pl.DataFrame,
            entity_type: EntityType,
            dates: Sequence[dt.date],
            config_ids: Sequence[int],
            entity_ids: Sequence[str] | None = None,
        ) -> int:
            """The forecasts of a level with their points, and what the days up to the date really were."""
            written = replace_forecasts(
                connection,
                frame,
                points[entity_type],
                entity_type,
                dates,
                config_ids,
                entity_ids,
                horizon_days=config.horizon_days,
            )
            since = min(dates) - dt.timedelta(days=MOST_HORIZON)
            score_forecasts(connection, entity_type, config_ids, since, max(dates))
            return written

        table_rows = write_partitions(engine, MLForecast, scope, rows, _DATE, replace)
        return report(
            context,
            scope,
            _told(rows),
            date_column=_DATE,
            figures={
                "accounts": pl.col("config_id").n_unique(),
                "entities": pl.col("entity_id").filter(_IS_ENTITY).n_unique(),
                "insufficient_data": pl.col("entity_id").filter("insufficient_data").n_unique(),
                "borrowed": pl.col("entity_id").filter(pl.col("method") == "borrowed").n_unique(),
                **{
                    f"{metric}_expected": pl.col("total_value")
                    .filter(pl.col("target_metric") == metric)
                    .sum()
                    for metric in METRICS
                },
                **{
                    f"mase_{metric}_median": pl.col("mase").filter(_of(metric)).median() for metric in METRICS
                },
                **{f"led_by_{name}": (pl.col("method") == name).sum() for name in policy.methods},
            },
            tables=forecast_metadata(keys, rows, points, inputs.figures, settings().language),
            table_rows=table_rows,
            notes=prophet_notes(rows, policy),
            common={
                "days_conformed_from_insights": days_conformed,
                "horizon_days": config.horizon_days,
                "methods": ", ".join(policy.methods),
            },
        )


def policy_of(methods: Sequence[str] = ()) -> ForecastPolicy:
    """How forecasts are made: by `methods`, else by those of the settings, else by the usual ones."""
    configured = [name.strip() for name in settings().forecast_methods.split(",") if name.strip()]
    chosen = tuple(methods) or tuple(configured) or DEFAULT_METHODS
    return ForecastPolicy(methods=chosen, prophet_seconds=settings().prophet_seconds)


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    """FORECASTS with `mase`, the error of the backtest."""
    mase = pl.col("backtest").str.json_path_match("$.mase.combined").cast(pl.Float64, strict=False)
    return rows.with_columns(mase=mase)


def _of(metric: str) -> pl.Expr:
    return pl.col("target_metric") == metric
