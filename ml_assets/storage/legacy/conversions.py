"""The conversion of each table between the schema before (legacy) and this one (head), frame to frame.

`up` adds the head's columns to legacy rows, `down` the legacy columns to head rows; `feeds` says which head
columns each legacy column stands for, so that only what changed is carried over.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from ml_assets.frames import UTC, Schema
from ml_assets.storage.keys import NATURAL_KEYS, uuid5_of
from ml_assets.storage.legacy.documents import canonical_points, join_features, split_features

TIERS = ("HIGH_PERFORMER", "MODERATE", "LOW", "UNDERPERFORMER")
SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
RECOMMENDATION_TYPES = (
    "BUDGET_INCREASE",
    "BUDGET_DECREASE",
    "PAUSE",
    "SCALE_UP",
    "CREATIVE_REFRESH",
    "AUDIENCE_REVIEW",
    "REACTIVATE",
    "OPTIMIZE_SCHEDULE",
    "AUDIENCE_EXPANSION",
    "AUDIENCE_NARROWING",
    "CREATIVE_TEST",
    "CREATIVE_WINNER",
)
MODEL_TYPES = (
    "TIME_SERIES_CPL",
    "TIME_SERIES_LEADS",
    "CAMPAIGN_CLASSIFIER",
    "ANOMALY_DETECTOR",
    "RECOMMENDER",
)
MODEL_STATUSES = ("TRAINING", "READY", "ACTIVE", "DEPRECATED", "FAILED")

UNKNOWN_DAY = dt.date(1970, 1, 1)
"""Stands for the day of a row that carries no time at all."""

Convert = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Conversion:
    """One table's way up and down."""

    table: str
    up: Convert
    down: Convert
    feeds: Mapping[str, tuple[str, ...]]
    is_holdable: pl.Expr
    """On a row that went `down`: whether the legacy table can hold it."""
    rank: tuple[pl.Expr, ...] = ()
    """Of legacy rows with one natural key the greatest is shown; all are kept in the archive."""
    key: tuple[str, ...] = field(default=())
    """What names a row at the head."""


def _same(names: str) -> dict[str, tuple[str, ...]]:
    return {name: (name,) for name in names.split()}


def _key(table: str) -> tuple[str, ...]:
    return ("config_id", "entity_type", "entity_id", *NATURAL_KEYS[table])


def _with_id(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    return frame.with_columns(uuid5_of(frame.select(_key(table)), table))


def _day(*times: str) -> pl.Expr:
    return pl.coalesce(*(pl.col(name).dt.date() for name in times), pl.lit(UNKNOWN_DAY))


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64, strict=False)


def _true(name: str, *, default: bool = False) -> pl.Expr:
    return pl.col(name).fill_null(value=default)


# ------------------------------------------------------------------------------- classifications


def _classifications_up(legacy: pl.DataFrame) -> pl.DataFrame:
    return _with_id(
        legacy.with_columns(classification_date=_day("classified_at", "valid_until")), "ml_classifications"
    )


def _classifications_down(head: pl.DataFrame) -> pl.DataFrame:
    previous = pl.col("previous_tier")
    return head.with_columns(pl.when(previous.is_in(TIERS)).then(previous).alias("previous_tier"))


CLASSIFICATIONS = Conversion(
    "ml_classifications",
    _classifications_up,
    _classifications_down,
    _same(
        "parent_id tier confidence_score metrics_snapshot feature_importances previous_tier "
        "tier_change_direction classified_at valid_until model_version"
    ),
    pl.col("tier").is_in(TIERS) & pl.col("confidence_score").is_not_null(),
    (pl.col("classified_at"), pl.col("legacy_id")),
    _key("ml_classifications"),
)


# ------------------------------------------------------------------------------- recommendations


def _recommendations_up(legacy: pl.DataFrame) -> pl.DataFrame:
    status = (
        pl.when(_true("dismissed"))
        .then(pl.lit("dismissed"))
        .when(_true("was_applied"))
        .then(pl.lit("applied"))
        .when(_true("is_active", default=True))
        .then(pl.lit("active"))
        .otherwise(pl.lit("expired"))
    )
    head = legacy.with_columns(
        status.alias("status"),
        pl.col("applied_by", "dismissed_by").cast(pl.String),
        recommendation_date=_day("created_at", "applied_at", "dismissed_at", "expires_at"),
    )
    return _with_id(head, "ml_recommendations").with_columns(case_id=pl.col("id"))


def _recommendations_down(head: pl.DataFrame) -> pl.DataFrame:
    status = pl.col("status")
    return head.with_columns(
        _number("applied_by"),
        _number("dismissed_by"),
        is_active=(status == "active").fill_null(value=False),
        was_applied=((status == "applied") | pl.col("applied_at").is_not_null()).fill_null(value=False),
        dismissed=(status == "dismissed").fill_null(value=False),
    )


RECOMMENDATIONS = Conversion(
    "ml_recommendations",
    _recommendations_up,
    _recommendations_down,
    _same(
        "priority title description suggested_action confidence_score reasoning applied_at applied_by "
        "dismissed_at dismissed_by dismissed_reason created_at expires_at"
    )
    | dict.fromkeys(("is_active", "was_applied", "dismissed"), ("status",)),
    # Advice that was blocked was never given; the schema before has no word for it.
    pl.col("blocked_by").is_null()
    & pl.col("recommendation_type").is_in(RECOMMENDATION_TYPES)
    & pl.all_horizontal(pl.col("priority", "title", "confidence_score").is_not_null()),
    (_true("dismissed"), _true("was_applied"), pl.col("created_at"), pl.col("legacy_id")),
    _key("ml_recommendations"),
)


# ------------------------------------------------------------------------------------- anomalies


def _anomalies_up(legacy: pl.DataFrame) -> pl.DataFrame:
    higher = pl.col("observed_value") > pl.col("expected_value")
    return _with_id(
        legacy.with_columns(
            pl.col("anomaly_date").dt.date(),
            pl.col("acknowledged_by").cast(pl.String),
            _true("is_acknowledged"),
            direction=pl.when(higher)
            .then(pl.lit("up"))
            .when(pl.col("observed_value") < pl.col("expected_value"))
            .then(pl.lit("down")),
        ),
        "ml_anomalies",
    )


def _anomalies_down(head: pl.DataFrame) -> pl.DataFrame:
    return head.with_columns(
        pl.col("anomaly_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(UTC),
        _number("acknowledged_by"),
    )


ANOMALIES = Conversion(
    "ml_anomalies",
    _anomalies_up,
    _anomalies_down,
    _same(
        "deviation_score severity is_acknowledged acknowledged_by acknowledged_at "
        "resolution_notes detected_at"
    )
    | {
        "observed_value": ("observed_value", "direction"),
        "expected_value": ("expected_value", "direction"),
    },
    pl.col("severity").is_in(SEVERITIES)
    & pl.all_horizontal(pl.col("observed_value", "expected_value", "deviation_score").is_not_null()),
    (_true("is_acknowledged"), pl.col("detected_at"), pl.col("legacy_id")),
    _key("ml_anomalies"),
)


# -------------------------------------------------------------------------------------- features

_NO_FIGURE = frozenset(
    {
        "id",
        "config_id",
        "entity_type",
        "entity_id",
        "parent_id",
        "feature_date",
        "window_days",
        "extra",
        "insufficient_data",
        "generated_at",
    }
)


def features_conversion(columns: Schema) -> Conversion:
    """The conversion of `ml_features` for the columns this revision's table has."""
    figures = {name: dtype for name, dtype in columns.items() if name not in _NO_FIGURE}

    def up(legacy: pl.DataFrame) -> pl.DataFrame:
        return _with_id(
            legacy.drop("features").hstack(split_features(legacy["features"], figures)), "ml_features"
        )

    def down(head: pl.DataFrame) -> pl.DataFrame:
        return head.with_columns(join_features(head, tuple(figures)))

    return Conversion(
        "ml_features",
        up,
        down,
        _same("parent_id insufficient_data generated_at") | {"features": (*figures, "extra")},
        pl.lit(value=True),
        (pl.col("legacy_id"),),
        _key("ml_features"),
    )


# ------------------------------------------------------------------------------------- forecasts


def _forecasts_up(legacy: pl.DataFrame) -> pl.DataFrame:
    return _with_id(legacy.with_columns(canonical_points(legacy["predictions"])), "ml_forecasts")


def _forecasts_down(head: pl.DataFrame) -> pl.DataFrame:
    return head.with_columns(predictions=pl.col("points"))


FORECASTS = Conversion(
    "ml_forecasts",
    _forecasts_up,
    _forecasts_down,
    _same("method model_version insufficient_data created_at") | {"predictions": ("points",)},
    pl.col("method").is_not_null(),
    (pl.col("legacy_id"),),
    _key("ml_forecasts"),
)


# --------------------------------------------------------------------------------------- models


def _models_up(legacy: pl.DataFrame) -> pl.DataFrame:
    return legacy.with_columns(uuid5_of(legacy.select("legacy_id"), "ml_trained_models"), _true("is_active"))


def _models_down(head: pl.DataFrame) -> pl.DataFrame:
    return head


MODELS = Conversion(
    "ml_trained_models",
    _models_up,
    _models_down,
    _same(
        "name model_type version config_id model_path parameters feature_columns training_metrics "
        "validation_metrics status is_active training_data_start training_data_end samples_count created_at "
        "trained_at last_used_at"
    ),
    pl.col("model_type").is_in(MODEL_TYPES)
    & (pl.col("status").is_in(MODEL_STATUSES) | pl.col("status").is_null())
    & pl.col("model_path").is_not_null(),
    (pl.col("legacy_id"),),
    ("id",),
)
