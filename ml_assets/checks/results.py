"""Whether stored results can be what they are said to be: features, classifications, anomalies, advice."""

from collections.abc import Sequence

import polars as pl

from ml_assets.anomalies.frames import SEVERITIES
from ml_assets.checks.levels import FAULTS
from ml_assets.checks.verdicts import LEVEL_DAY, verdicts
from ml_assets.classification import INSUFFICIENT_DATA, TIERS
from ml_assets.entity_features import FEATURES
from ml_assets.frames import conform
from ml_assets.recommendations.frames import GUARDS, TYPES

SUM_TOLERANCE = 1e-6
"""How far the sum of probabilities may be from 1."""

SUSPENDING = ("data_quality", "tracking")
"""Guards of whole accounts and days."""

FEATURE_COLUMNS = tuple(name for name, dtype in FEATURES.items() if dtype.is_float())
"""Features that are looked at: those that could be no number."""

CLASSIFICATION_COLUMNS = ("tier", "confidence_score", "probabilities", "reason")
ANOMALY_COLUMNS = ("p_value", "severity", "lower_value", "upper_value", "anomaly_type")
RECOMMENDATION_COLUMNS = (
    *("recommendation_type", "status", "blocked_by", "confidence_score", "priority", "expires_at"),
)

_ROW = ("config_id", "entity_type", "entity_id", "date")


def check_features(rows: pl.DataFrame) -> pl.DataFrame:
    """VERDICTS `features_finite`: every feature is a number or null.

    `rows` has config_id, entity_type, entity_id, date and FEATURE_COLUMNS.
    """
    reasons = [
        pl.when(~pl.col(name).is_finite()).then(pl.lit(f"{name} is no finite number"))
        for name in FEATURE_COLUMNS
    ]
    return _judged("features_finite", rows, reasons, "Materialize features of the date again")


def check_classifications(rows: pl.DataFrame) -> pl.DataFrame:
    """VERDICTS `probabilities_coherent`: probabilities of a row sum to 1, and its tier is one of them.

    `confidence_score` is the probability of the tier that is named. That need not be the largest: a tier
    changes only when two dates in a row say so. A row without a tier says why. `rows` has config_id,
    entity_type, entity_id, date and CLASSIFICATION_COLUMNS; `probabilities` is a JSON text.
    """
    read = rows.with_columns(
        pl.col("probabilities").str.json_path_match(f"$.{tier}").cast(pl.Float64, strict=False).alias(tier)
        for tier in TIERS
    ).with_columns(
        total=pl.sum_horizontal(*TIERS, ignore_nulls=False),
        of_tier=pl.coalesce(pl.when(pl.col("tier") == tier).then(tier) for tier in TIERS),
    )
    has_tier = pl.col("tier").is_in(TIERS)
    has_masses = pl.col("probabilities").is_not_null()
    reasons = [
        pl.when(~pl.col("tier").is_in([*TIERS, INSUFFICIENT_DATA])).then(
            pl.format("there is no tier {}", "tier")
        ),
        pl.when(pl.col("tier").is_null() & pl.col("reason").is_null()).then(
            pl.lit("it has no tier and no reason")
        ),
        pl.when(has_tier & ~has_masses).then(pl.lit("it has a tier and no probabilities")),
        pl.when(has_masses & ~((pl.col("total") - 1.0).abs() <= SUM_TOLERANCE).fill_null(value=False)).then(
            pl.format("its probabilities sum to {}", pl.col("total").fill_null(float("nan")))
        ),
        pl.when(has_masses & pl.any_horizontal(~pl.col(tier).is_between(0.0, 1.0) for tier in TIERS)).then(
            pl.lit("a probability is not between 0 and 1")
        ),
        pl.when(has_tier & ((pl.col("confidence_score") - pl.col("of_tier")).abs() > SUM_TOLERANCE)).then(
            pl.lit("its confidence is not the probability of its tier")
        ),
        pl.when(~pl.col("confidence_score").is_between(0.0, 1.0)).then(
            pl.lit("its confidence is not between 0 and 1")
        ),
    ]
    return _judged(
        "probabilities_coherent", read, reasons, "Materialize features and classifications of the date again"
    )


def check_anomalies(rows: pl.DataFrame) -> pl.DataFrame:
    """VERDICTS `p_values_valid`: p-values are probabilities, bands in order, severities known.

    `rows` has config_id, entity_type, entity_id, date and ANOMALY_COLUMNS.
    """
    reasons = [
        pl.when(~pl.col("p_value").is_between(0.0, 1.0)).then(pl.format("its p-value is {}", "p_value")),
        pl.when(pl.col("lower_value") > pl.col("upper_value")).then(pl.lit("its band is upside down")),
        pl.when(~pl.col("severity").is_in(SEVERITIES)).then(pl.format("there is no severity {}", "severity")),
    ]
    return _judged("p_values_valid", rows, reasons, "Materialize anomalies of the date again")


def check_recommendations(rows: pl.DataFrame, suspended: pl.DataFrame) -> pl.DataFrame:
    """VERDICTS `guards_hold`: confidence is a probability, and nothing stands that a guard forbids.

    `rows` has config_id, entity_type, entity_id, date and RECOMMENDATION_COLUMNS; `suspended` in SUSPENSIONS
    those of `data_quality`. What was acted upon stays whatever later runs find, and is not judged.
    """
    marks = suspended.filter(pl.col("guard") == "data_quality").select(
        *LEVEL_DAY, is_suspended=pl.lit(value=True)
    )
    read = rows.join(marks.unique(LEVEL_DAY), on=LEVEL_DAY, how="left")
    stands = (pl.col("status") == "active") & pl.col("blocked_by").is_null()
    reasons = [
        pl.when(~pl.col("confidence_score").is_between(0.0, 1.0)).then(
            pl.format("a confidence of {}", "confidence_score")
        ),
        pl.when(~pl.col("recommendation_type").is_in(TYPES)).then(
            pl.format("there is no type {}", "recommendation_type")
        ),
        pl.when(~pl.col("blocked_by").is_in(GUARDS)).then(pl.format("there is no guard {}", "blocked_by")),
        pl.when(stands & pl.col("is_suspended").fill_null(value=False)).then(
            pl.format(
                "{} stands although the figures of the account did not pass the data checks",
                "recommendation_type",
            )
        ),
        pl.when(stands & (pl.col("priority").is_null() | pl.col("expires_at").is_null())).then(
            pl.lit("it is issued without priority or end")
        ),
    ]
    return _judged("guards_hold", read, reasons, "Materialize recommendations of the date again")


def _judged(check: str, rows: pl.DataFrame, reasons: Sequence[pl.Expr], advice: str) -> pl.DataFrame:
    """VERDICTS of the accounts of `rows`: a row with any of `reasons` is at fault (figure: such rows)."""
    found = (
        rows.with_columns(why=pl.coalesce(reasons))
        .filter(pl.col("why").is_not_null())
        .sort(_ROW)
        .group_by(LEVEL_DAY, maintain_order=True)
        .agg(
            figure=pl.len(),
            sentence=pl.format(
                "{} {}: {} ({} such rows). {}.",
                pl.col("entity_type").first(),
                pl.col("entity_id").first(),
                pl.col("why").first(),
                pl.len(),
                pl.lit(advice),
            ),
        )
    )
    return verdicts(check, rows, conform(found, FAULTS, "faults"))
