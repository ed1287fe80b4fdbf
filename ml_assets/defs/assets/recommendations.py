"""The asset `recommendations`: what to do with an entity, as advised on a date, in `ml_recommendations`."""

import datetime as dt
from dataclasses import replace as with_changes
from functools import partial

import dagster as dg
import polars as pl
from pydantic import Field

from ml_assets.checks.verdicts import suspensions
from ml_assets.classification import CLASSIFICATIONS
from ml_assets.defs.checks.figures import read_stored_figures
from ml_assets.defs.checks.refusals import admitted
from ml_assets.defs.inputs import read_decision_inputs
from ml_assets.defs.keys import run_keys
from ml_assets.defs.metadata import markdown_table, report, table_metadata
from ml_assets.defs.partitions import own_and_levels_above, own_level, partitions
from ml_assets.defs.policies import THIRTEEN_WEEKS_PER_RUN
from ml_assets.defs.resources import DatabaseResource
from ml_assets.defs.scope import Restriction, explained, open_finished_scope
from ml_assets.defs.writing import write_partitions
from ml_assets.local_days import local_date, zones_of
from ml_assets.recommendations.frames import GUARDS, TYPES
from ml_assets.recommendations.inputs import REPLAY_DAYS
from ml_assets.recommendations.recommend import recommend
from ml_assets.recommendations.rules import RULES
from ml_assets.report.column_docs import RECOMMENDATIONS_DOCS, RECOMMENDATIONS_STORED
from ml_assets.settings import settings
from ml_assets.storage.policies import read_policies
from ml_assets.storage.reads import read_table
from ml_assets.storage.recommendations import replace_recommendations
from ml_assets.storage.tables import MLClassification, MLRecommendation

PLAN_ROWS = 20
"""Rows of the plan in a partition's metadata, all accounts together; the table holds the others."""

ISSUED = pl.col("blocked_by").is_null() & (pl.col("status") == "active")

_DATE = "recommendation_date"


class RecommendationConfig(Restriction):
    """Which rows are replaced, and whether those somebody acted upon are looked at again."""

    force_refresh: bool = Field(
        default=False,
        description="Replace the active recommendations only; applied, dismissed and expired ones stay "
        "untouched.",
    )


@dg.asset(
    partitions_def=partitions,
    backfill_policy=THIRTEEN_WEEKS_PER_RUN,
    deps=[
        dg.AssetDep("classifications", partition_mapping=own_and_levels_above),
        dg.AssetDep("features", partition_mapping=own_level),
        dg.AssetDep("entity_metrics", partition_mapping=own_and_levels_above),
        dg.AssetDep("anomalies", partition_mapping=own_level),
        dg.AssetDep("forecasts", partition_mapping=own_level),
    ],
    group_name="judgements",
    kinds={"polars", "numpy"},
    owners=["team:ml_assets"],
    tags={"stage": "decide"},
    metadata=table_metadata("ml_recommendations", RECOMMENDATIONS_STORED, RECOMMENDATIONS_DOCS),
)
def recommendations(
    context: dg.AssetExecutionContext, config: RecommendationConfig, database: DatabaseResource
) -> dg.MaterializeResult:
    """What to do with each entity on a date: how sure, what it is worth a week, what waiting costs.

    Rules decide by posterior probability, guards block what must not be done now, one plan per account and
    date chooses what is issued. `blocked_by` is null for what is issued; the rest is kept with its guard.
    The dates before are replayed from entity metrics, so the order of a backfill does not matter. What
    people did with a recommendation stays on its case through every run. Days that are not over are refused,
    and so are levels and dates for which a data check failed for all accounts.
    Money in the account's currency, probabilities as fractions.
    """
    with explained():
        engine = database.engine
        allowed = admitted(context.instance, run_keys(context.partition_keys))
        keys = allowed.keys
        with engine.connect() as connection:
            scope = open_finished_scope(context, connection, keys, config)
            inputs, days_conformed = read_decision_inputs(connection, scope)
            checked = read_stored_figures(
                connection,
                scope.accounts,
                keys.start - dt.timedelta(days=REPLAY_DAYS - 1),
                keys.end,
                dt.datetime.now(dt.UTC),
            )
            policies = read_policies(connection, scope.config_ids)
            tiers = read_table(
                connection,
                MLClassification,
                keys.start,
                keys.end,
                keys.levels_above,
                scope.config_ids,
                columns=tuple(CLASSIFICATIONS),
            )
        # Accounts that failed the data checks are suspended on that day; the others go on.
        inputs = with_changes(
            inputs, suspensions=pl.concat([inputs.suspensions, suspensions(checked.trusted)])
        )
        for key, sentence in allowed.refused.items():
            context.add_asset_metadata({"refused": sentence}, partition_key=key)
        language = settings().language
        advised = [
            recommend(inputs, level, dates, tiers, policies, language) for level, dates in keys.dates.items()
        ]
        rows = scope.rows_of(pl.concat(advised), _DATE)
        replace = partial(replace_recommendations, only_active=config.force_refresh)
        table_rows = write_partitions(engine, MLRecommendation, scope, rows, _DATE, replace)
        told = with_money(rows)
        return report(
            context,
            scope,
            told,
            date_column=_DATE,
            figures={
                "accounts": pl.col("config_id").n_unique(),
                "issued": ISSUED.sum(),
                "blocked": pl.col("blocked_by").is_not_null().sum(),
                "money_per_week": pl.col("money_per_week").filter(ISSUED).sum(),
                "cost_of_waiting": pl.col("cost_of_waiting").filter(ISSUED).sum(),
                "confidence_mean": pl.col("confidence_score").filter(ISSUED).mean(),
                "detected": (pl.col("status") == "applied").sum(),
                "expired": (pl.col("status") == "expired").sum(),
                **_issued_by_type(),
                **{f"blocked_by_{guard}": (pl.col("blocked_by") == guard).sum() for guard in GUARDS},
            },
            tables=plan_tables(told, scope.accounts),
            table_rows=table_rows,
            notes=allowed.notes,
            if_empty="nothing is sure enough to act on",
            common={
                "days_conformed_from_insights": days_conformed,
                "policy_versions": ", ".join(sorted({policy.version for policy in policies.values()})),
            },
        )


def _issued_by_type() -> dict[str, pl.Expr]:
    """How many are issued of each type; null at a level that no rule of the type is asked at."""
    levels = {
        kind: [level.value for rule in RULES if rule.recommendation_type == kind for level in rule.levels]
        for kind in TYPES
    }
    return {
        f"issued_{kind.lower()}": pl.when(pl.col("entity_type").first().is_in(known)).then(
            (ISSUED & (pl.col("recommendation_type") == kind)).sum()
        )
        for kind, known in levels.items()
    }


def with_money(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` (RECOMMENDATIONS) with `money_per_week`, from the document it stands in; null where unknown."""
    return rows.with_columns(
        money_per_week=pl.col("expected_impact")
        .str.json_path_match("$.money_per_week.value")
        .cast(pl.Float64, strict=False)
    )


def plan_tables(
    rows: pl.DataFrame, accounts: pl.DataFrame
) -> dict[tuple[str, dt.date], dict[str, dg.MetadataValue]]:
    """(level, date) -> metadata `plan`: what is issued, first things first, as a table."""
    named = accounts.select(
        "config_id",
        pl.col("timezone").fill_null("UTC"),
        account=pl.coalesce("name", "account_id"),
    )
    # A case stands to the end of its last day, which is the first moment of the next.
    last_moment = pl.col("expires_at").dt.offset_by("-1us")
    shown = (
        rows.filter(ISSUED)
        .join(named, on="config_id", how="left")
        .sort(
            "priority", "money_per_week", "config_id", "entity_id", "recommendation_type",
            descending=[True, True, False, False, False], nulls_last=True,
        )
        .group_by("entity_type", _DATE, maintain_order=True)
        .head(PLAN_ROWS)
        .select(
            "entity_type",
            _DATE,
            "priority",
            pl.col("title").alias("what to do"),
            # Rounded down: nothing short of certain is called certain.
            ((pl.col("confidence_score") * 1000 + 1e-6).floor() / 1000).alias("sure"),
            pl.col("money_per_week").alias("money a week"),
            local_date(last_moment, pl.col("timezone"), zones_of(accounts)).alias("expires"),
            *(["account"] if accounts.height > 1 else []),
        )
    )  # fmt: skip
    parts = shown.partition_by("entity_type", _DATE, as_dict=True, include_key=False)
    return {
        (str(level), date): {"plan": dg.MetadataValue.md(markdown_table(part))}
        for (level, date), part in parts.items()
    }
