"""The schema as existing users have it before multi-level, so that a database of theirs is this revision."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MODEL_TYPE = sa.Enum(
    "TIME_SERIES_CPL",
    "TIME_SERIES_LEADS",
    "CAMPAIGN_CLASSIFIER",
    "ANOMALY_DETECTOR",
    "RECOMMENDER",
    name="modeltype",
)
MODEL_STATUS = sa.Enum("TRAINING", "READY", "ACTIVE", "DEPRECATED", "FAILED", name="modelstatus")
PREDICTION_TYPE = sa.Enum("CPL_FORECAST", "LEADS_FORECAST", "SPEND_FORECAST", name="predictiontype")
TIER = sa.Enum("HIGH_PERFORMER", "MODERATE", "LOW", "UNDERPERFORMER", name="campaigntier")
RECOMMENDATION_TYPE = sa.Enum(
    "BUDGET_INCREASE",
    "BUDGET_DECREASE",
    "PAUSE_CAMPAIGN",
    "SCALE_UP",
    "CREATIVE_REFRESH",
    "AUDIENCE_REVIEW",
    "REACTIVATE",
    "OPTIMIZE_SCHEDULE",
    name="recommendationtype",
)
SEVERITY = sa.Enum("LOW", "MEDIUM", "HIGH", "CRITICAL", name="anomalyseverity")
JOB_STATUS = sa.Enum("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", name="jobstatus")

LEGACY = sa.MetaData()


def _times(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, sa.DateTime) for name in names]


def _created(name: str = "created_at") -> sa.Column[object]:
    return sa.Column(name, sa.DateTime, server_default=sa.func.now())


def _flag(name: str, *, default: bool) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean, server_default=sa.true() if default else sa.false())


def _entity() -> list[sa.Column[object]]:
    return [
        sa.Column("config_id", sa.Integer, nullable=False),
        sa.Column("entity_type", sa.String(50), nullable=False),
        sa.Column("entity_id", sa.String(100), nullable=False),
    ]


def _model() -> sa.Column[object]:
    return sa.Column("model_id", sa.Integer, sa.ForeignKey("ml_trained_models.id", ondelete="SET NULL"))


def _table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    # AUTOINCREMENT: an id that a downgrade gave back is never given to another row.
    return sa.Table(
        name, LEGACY, sa.Column("id", sa.Integer, primary_key=True), *parts, sqlite_autoincrement=True
    )


_table(
    "ml_trained_models",
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("model_type", MODEL_TYPE, nullable=False),
    sa.Column("version", sa.String(50), nullable=False),
    sa.Column("config_id", sa.Integer),
    sa.Column("model_path", sa.String(500), nullable=False),
    *(
        sa.Column(name, sa.JSON)
        for name in ("parameters", "feature_columns", "training_metrics", "validation_metrics")
    ),
    sa.Column("status", MODEL_STATUS, server_default="TRAINING"),
    _flag("is_active", default=False),
    *_times("training_data_start", "training_data_end"),
    sa.Column("samples_count", sa.Integer),
    _created(),
    *_times("trained_at", "last_used_at"),
    sa.Index("ix_ml_trained_models_type_active", "model_type", "is_active"),
    sa.Index("ix_ml_trained_models_config_type", "config_id", "model_type"),
)
_table(
    "ml_predictions",
    _model(),
    *_entity(),
    sa.Column("prediction_type", PREDICTION_TYPE, nullable=False),
    sa.Column("forecast_date", sa.DateTime, nullable=False),
    sa.Column("horizon_days", sa.Integer, nullable=False),
    sa.Column("predicted_value", sa.Float, nullable=False),
    *(
        sa.Column(name, sa.Float)
        for name in (
            "confidence_lower",
            "confidence_upper",
            "actual_value",
            "absolute_error",
            "percentage_error",
        )
    ),
    _created(),
    sa.Index("ix_ml_predictions_entity", "entity_type", "entity_id"),
    sa.Index("ix_ml_predictions_config_date", "config_id", "forecast_date"),
)
_table(
    "ml_campaign_classifications",
    sa.Column("config_id", sa.Integer, nullable=False),
    sa.Column("campaign_id", sa.String(100), nullable=False),
    sa.Column("tier", TIER, nullable=False),
    sa.Column("confidence_score", sa.Float, nullable=False),
    sa.Column("metrics_snapshot", sa.JSON),
    sa.Column("feature_importances", sa.JSON),
    sa.Column("previous_tier", TIER),
    sa.Column("tier_change_direction", sa.String(20)),
    _created("classified_at"),
    *_times("valid_until"),
    sa.Column("model_version", sa.String(50)),
    sa.Index("ix_ml_classifications_config_campaign", "config_id", "campaign_id"),
    sa.Index("ix_ml_classifications_tier", "tier"),
    sa.Index("ix_ml_classifications_config_classified_at", "config_id", "classified_at"),
)
_table(
    "ml_recommendations",
    *_entity(),
    sa.Column("recommendation_type", RECOMMENDATION_TYPE, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("title", sa.String(255), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("suggested_action", sa.JSON),
    sa.Column("confidence_score", sa.Float, nullable=False),
    sa.Column("reasoning", sa.JSON),
    _flag("is_active", default=True),
    _flag("was_applied", default=False),
    *_times("applied_at"),
    sa.Column("applied_by", sa.Integer),
    _flag("dismissed", default=False),
    *_times("dismissed_at"),
    sa.Column("dismissed_by", sa.Integer),
    sa.Column("dismissed_reason", sa.Text),
    _created(),
    *_times("expires_at"),
    sa.Index("ix_ml_recommendations_config_active", "config_id", "is_active"),
    sa.Index("ix_ml_recommendations_entity", "entity_type", "entity_id"),
    sa.Index("ix_ml_recommendations_type", "recommendation_type"),
)
_table(
    "ml_anomalies",
    *_entity(),
    sa.Column("anomaly_type", sa.String(100), nullable=False),
    sa.Column("metric_name", sa.String(100), nullable=False),
    *(
        sa.Column(name, sa.Float, nullable=False)
        for name in ("observed_value", "expected_value", "deviation_score")
    ),
    sa.Column("severity", SEVERITY, nullable=False),
    _flag("is_acknowledged", default=False),
    sa.Column("acknowledged_by", sa.Integer),
    *_times("acknowledged_at"),
    sa.Column("resolution_notes", sa.Text),
    sa.Column("anomaly_date", sa.DateTime, nullable=False),
    _created("detected_at"),
    sa.Column("recommendation_id", sa.Integer),
    sa.Index("ix_ml_anomalies_config_date", "config_id", "anomaly_date"),
    sa.Index("ix_ml_anomalies_severity", "severity"),
    sa.Index("ix_ml_anomalies_entity", "entity_type", "entity_id"),
)
_table(
    "ml_training_jobs",
    sa.Column("model_type", MODEL_TYPE, nullable=False),
    sa.Column("config_id", sa.Integer),
    sa.Column("celery_task_id", sa.String(255)),
    sa.Column("status", JOB_STATUS, server_default="PENDING"),
    sa.Column("progress", sa.Float, server_default=sa.text("0")),
    _model(),
    sa.Column("error_message", sa.Text),
    _created(),
    *_times("started_at", "completed_at"),
    sa.Index("ix_ml_training_jobs_status", "status"),
    sa.Index("ix_ml_training_jobs_config_type", "config_id", "model_type"),
)
_table(
    "ml_features",
    sa.Column("config_id", sa.Integer, nullable=False),
    sa.Column("campaign_id", sa.String(100), nullable=False),
    sa.Column("window_days", sa.Integer, nullable=False, server_default=sa.text("30")),
    sa.Column("feature_date", sa.Date, nullable=False),
    sa.Column("features", sa.JSON),
    sa.Column("insufficient_data", sa.Boolean, nullable=False, server_default=sa.false()),
    _created("generated_at"),
    sa.UniqueConstraint(
        "config_id", "campaign_id", "window_days", "feature_date", name="uq_ml_features_campaign"
    ),
    sa.Index("ix_ml_features_config_date", "config_id", "feature_date"),
)
_table(
    "ml_forecasts",
    *_entity(),
    sa.Column("target_metric", sa.String(50), nullable=False),
    sa.Column("horizon_days", sa.Integer, nullable=False),
    sa.Column("method", sa.String(50), nullable=False),
    sa.Column("model_version", sa.String(50)),
    sa.Column("window_days", sa.Integer),
    sa.Column("forecast_date", sa.Date, nullable=False),
    sa.Column("predictions", sa.JSON),
    sa.Column("insufficient_data", sa.Boolean, nullable=False, server_default=sa.false()),
    _created(),
    sa.UniqueConstraint(
        "config_id",
        "entity_type",
        "entity_id",
        "target_metric",
        "horizon_days",
        "forecast_date",
        name="uq_ml_forecasts_entity",
    ),
    sa.Index("ix_ml_forecasts_config_date", "config_id", "forecast_date"),
    sa.Index("ix_ml_forecasts_metric", "target_metric"),
)


def upgrade() -> None:
    LEGACY.create_all(op.get_bind(), checkfirst=False)


def downgrade() -> None:
    LEGACY.drop_all(op.get_bind(), checkfirst=True)
