"""What a check says of each account, day and level, and what follows from it for a partition."""

import polars as pl

from ml_assets.entities import LEVELS
from ml_assets.frames import Schema, conform
from ml_assets.recommendations.frames import SUSPENSIONS

VERDICTS: Schema = {
    "check": pl.String(),
    "config_id": pl.Int64(),
    "entity_type": pl.String(),
    "date": pl.Date(),
    "passed": pl.Boolean(),
    "figure": pl.Float64(),  # what the check measures, such as rows at fault; null where nothing is measured
    "sentence": pl.String(),  # what is wrong; null where it passed
}
"""One row per check and per account, day and level with rows to judge."""

LEVEL_DAY = ("config_id", "entity_type", "date")

FIGURE_CHECKS = ("keys_unique", "no_orphans", "within_bounds", "levels_reconcile")
"""Checks of entity metrics without which nothing is recommended."""

BLOCKING = {
    "entity_metrics": FIGURE_CHECKS,
    "features": ("features_finite",),
    "classifications": ("probabilities_coherent",),
    "forecasts": ("forecasts_coherent",),
}
"""Asset -> its checks whose failure stops something that follows."""


def verdicts(check: str, asked: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """VERDICTS of `asked`: a failure where `found` (LEVEL_DAY, figure, sentence) has a sentence.

    `asked` has LEVEL_DAY. Of several rows of a day in `found` the first sentence counts, and the sum of the
    figures. Where `found` has no row, the figure is 0. Sorted by LEVEL_DAY.
    """
    told = (
        found.sort(*LEVEL_DAY, "sentence", nulls_last=True)
        .group_by(LEVEL_DAY, maintain_order=True)
        .agg(pl.col("figure").cast(pl.Float64).sum(), pl.col("sentence").first())
    )
    rows = (
        asked.select(LEVEL_DAY)
        .unique()
        .join(told, on=LEVEL_DAY, how="left")
        .with_columns(
            pl.col("figure").fill_null(0.0), check=pl.lit(check), passed=pl.col("sentence").is_null()
        )
    )
    return conform(rows, VERDICTS, "verdicts").sort(LEVEL_DAY)


def of_partitions(found: pl.DataFrame) -> pl.DataFrame:
    """Of VERDICTS, each check's verdict on a date and level.

    Has check, entity_type, date, passed (any account passed), accounts, accounts_failed, figure (sum) and
    sentence: that of the first account that failed, with the account named. A date and level without a
    verdict has no row. Sorted.
    """
    failed = ~pl.col("passed")
    named = pl.format("Account {}: {}", "config_id", "sentence")
    return (
        found.sort("check", *LEVEL_DAY)
        .group_by("check", "entity_type", "date", maintain_order=True)
        .agg(
            pl.col("passed").any(),
            accounts=pl.len().cast(pl.Int64),
            accounts_failed=failed.sum().cast(pl.Int64),
            figure=pl.col("figure").sum(),
            sentence=named.filter(failed).first(),
        )
        .sort("check", "date", "entity_type")
    )


def suspensions(found: pl.DataFrame) -> pl.DataFrame:
    """SUSPENSIONS by the guard `data_quality`: each failure at its level and at the levels below.

    What is advised on an entity rests on the figures of its own level and of all above.
    """
    below = pl.DataFrame(
        {
            "entity_type": [level.value for lower in LEVELS for level in lower.path],
            "for_level": [lower.value for lower in LEVELS for _ in lower.path],
        }
    )
    rows = (
        found.filter(~pl.col("passed"))
        .join(below, on="entity_type")
        .select("config_id", "date", entity_type="for_level", guard=pl.lit("data_quality"), reason="sentence")
    )
    key = ("config_id", "entity_type", "date", "guard")
    return conform(
        rows.sort(*key, "reason").unique(key, keep="first", maintain_order=True), SUSPENSIONS, "suspensions"
    )
