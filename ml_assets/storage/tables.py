"""The tables of the project as SQLAlchemy models: the head of `migrations/`, on both databases.

Column names are a contract with loaders and dashboards (`docs/data-model.md`). Every column that is not
part of a key is nullable or has a server default, so a plain INSERT of the documented ones works.
"""

import datetime as dt
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import SchemaItem

from ml_assets.entity_features import FEATURES
from ml_assets.frames import UTC

TIER = ("HIGH_PERFORMER", "MODERATE", "LOW", "UNDERPERFORMER", "INSUFFICIENT_DATA")
SEVERITY = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
RECOMMENDATION_STATUS = ("active", "applied", "dismissed", "expired", "superseded")
RECOMMENDATION_TYPE = (
    "BUDGET_INCREASE",
    "BUDGET_DECREASE",
    "PAUSE",
    "SCALE_UP",
    "REACTIVATE",
    "AUDIENCE_REVIEW",
    "AUDIENCE_EXPANSION",
    "AUDIENCE_NARROWING",
    "CREATIVE_REFRESH",
    "CREATIVE_TEST",
    "CREATIVE_WINNER",
    "OPTIMIZE_SCHEDULE",
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Utc = sa.DateTime(timezone=True)
Text = sa.Text
Entity = sa.String(100)
Level = sa.String(20)
Word = sa.String(50)


class Base(DeclarativeBase):
    """All tables of the project."""

    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        dt.datetime: Utc,
        dt.date: sa.Date,
        str: Text,
        int: sa.BigInteger,
        float: sa.Float,
        bool: sa.Boolean,
        dict[str, Any]: sa.JSON,
        list[Any]: sa.JSON,
    }


# --------------------------------------------------------------------------- source side


class AdsAccount(Base):
    """One Meta ad account and its settings."""

    __tablename__ = "ads_accounts"

    config_id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True
    )
    account_id: Mapped[str] = mapped_column(Entity, unique=True)
    name: Mapped[str | None]
    currency: Mapped[str | None] = mapped_column(sa.String(3))
    timezone: Mapped[str | None] = mapped_column(Word)
    conversion_actions: Mapped[list[Any] | None]
    target_cpl: Mapped[float | None]
    monthly_budget: Mapped[float | None]
    is_active: Mapped[bool] = mapped_column(server_default=sa.true())
    source: Mapped[dict[str, Any] | None]
    created_at: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.now())


class EntityColumns:
    """What the three entity tables share."""

    config_id: Mapped[int] = mapped_column(
        sa.ForeignKey("ads_accounts.config_id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str | None]
    status: Mapped[str | None] = mapped_column(Word)
    effective_status: Mapped[str | None] = mapped_column(Word)
    created_time: Mapped[dt.datetime | None]
    synced_at: Mapped[dt.datetime | None]


class BudgetColumns:
    """What campaigns and adsets share: budgets in major units, bidding and flight times."""

    daily_budget: Mapped[float | None]
    lifetime_budget: Mapped[float | None]
    bid_strategy: Mapped[str | None] = mapped_column(Word)
    start_time: Mapped[dt.datetime | None]
    stop_time: Mapped[dt.datetime | None]


class AdsCampaign(EntityColumns, BudgetColumns, Base):
    """A campaign as last seen."""

    __tablename__ = "ads_campaigns"

    campaign_id: Mapped[str] = mapped_column(Entity, primary_key=True)
    objective: Mapped[str | None] = mapped_column(Word)
    target_cpl: Mapped[float | None]


class AdsAdset(EntityColumns, BudgetColumns, Base):
    """An adset as last seen."""

    __tablename__ = "ads_adsets"

    adset_id: Mapped[str] = mapped_column(Entity, primary_key=True)
    campaign_id: Mapped[str | None] = mapped_column(Entity)
    optimization_goal: Mapped[str | None] = mapped_column(Word)
    attribution_setting: Mapped[str | None]
    targeting: Mapped[dict[str, Any] | None]
    learning_status: Mapped[str | None] = mapped_column(Word)
    last_significant_edit_at: Mapped[dt.datetime | None]


class AdsAd(EntityColumns, Base):
    """An ad as last seen."""

    __tablename__ = "ads_ads"

    ad_id: Mapped[str] = mapped_column(Entity, primary_key=True)
    adset_id: Mapped[str | None] = mapped_column(Entity)
    campaign_id: Mapped[str | None] = mapped_column(Entity)
    creative_id: Mapped[str | None] = mapped_column(Entity)


class AdsEntityVersion(Base):
    """What an entity was from `known_at` on: a row only when a watched field changed."""

    __tablename__ = "ads_entity_versions"

    config_id: Mapped[int] = mapped_column(primary_key=True)
    entity_type: Mapped[str] = mapped_column(Level, primary_key=True)
    entity_id: Mapped[str] = mapped_column(Entity, primary_key=True)
    known_at: Mapped[dt.datetime] = mapped_column(primary_key=True)
    fields: Mapped[dict[str, Any] | None]


class AdsInsight(Base):
    """Delivery figures of an entity on a day as read at `known_at`; nothing is overwritten.

    The primary key serves as-of and current reads of an entity; `ix_ads_insights_partition` those of
    a level and range of days, from the index alone up to the figures.
    """

    __tablename__ = "ads_insights"
    __table_args__ = (
        sa.Index(
            "ix_ads_insights_partition",
            "config_id",
            "entity_type",
            "date",
            "window_days",
            "entity_id",
            "known_at",
        ),
    )

    config_id: Mapped[int] = mapped_column(primary_key=True)
    entity_type: Mapped[str] = mapped_column(Level, primary_key=True)
    entity_id: Mapped[str] = mapped_column(Entity, primary_key=True)
    date: Mapped[dt.date] = mapped_column(primary_key=True)
    window_days: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, server_default=sa.text("1"))
    known_at: Mapped[dt.datetime] = mapped_column(primary_key=True)
    spend: Mapped[float | None]
    impressions: Mapped[int | None]
    reach: Mapped[int | None]
    frequency: Mapped[float | None]
    clicks: Mapped[int | None]
    link_clicks: Mapped[int | None]
    leads: Mapped[int | None]
    actions: Mapped[list[Any] | None]


class AdsRejectedRow(Base):
    """A row that cannot be right, kept as it stood with the reason."""

    __tablename__ = "ads_rejected_rows"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    config_id: Mapped[int | None] = mapped_column(index=True)
    source: Mapped[str | None]
    line: Mapped[int | None]
    raw: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None]
    rejected_at: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.now())


# --------------------------------------------------------------------------- result side


class EntityKey:
    """The columns every result has; `id` is the UUIDv5 of the natural key."""

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    config_id: Mapped[int]
    entity_type: Mapped[str] = mapped_column(Level, server_default="campaign")
    entity_id: Mapped[str] = mapped_column(Entity)
    parent_id: Mapped[str | None] = mapped_column(Entity)


def _key_and_partition(table: str, date_column: str, *further: str) -> tuple[SchemaItem, ...]:
    """Unique natural key and the index that partition reads and replacements use."""
    return (
        sa.UniqueConstraint(
            "config_id", "entity_type", "entity_id", date_column, *further, name=f"uq_{table}_key"
        ),
        sa.Index(f"ix_{table}_partition", date_column, "entity_type", "config_id"),
    )


def _newest(table: str, date_column: str) -> sa.Index:
    """The index that finds the newest date of an account and level, and its rows in the order of lists."""
    return sa.Index(f"ix_{table}_newest", "config_id", "entity_type", date_column, "entity_id")


class MLEntityMetrics(EntityKey, Base):
    """The conformed figures of an entity on a day (asset `entity_metrics`)."""

    __tablename__ = "ml_entity_metrics"
    __table_args__ = _key_and_partition("ml_entity_metrics", "date")

    campaign_id: Mapped[str | None] = mapped_column(Entity)
    date: Mapped[dt.date]
    known_at: Mapped[dt.datetime | None]
    delivered_level: Mapped[str | None] = mapped_column(Level)
    spend: Mapped[float | None]
    impressions: Mapped[int | None]
    clicks: Mapped[int | None]
    link_clicks: Mapped[int | None]
    leads: Mapped[int | None]
    reach: Mapped[int | None]
    reach_bound: Mapped[int | None]
    reach_7d: Mapped[int | None]
    frequency_7d: Mapped[float | None]
    residual_spend: Mapped[float | None]
    residual_impressions: Mapped[int | None]
    residual_clicks: Mapped[int | None]
    residual_leads: Mapped[int | None]


_SQL_TYPES: dict[pl.DataType, Any] = {
    pl.Int64(): sa.BigInteger(),
    pl.Float64(): sa.Float(),
    pl.String(): sa.Text(),
    pl.Boolean(): sa.Boolean(),
    pl.Date(): sa.Date(),
    UTC: Utc,
}


def _feature_columns() -> list[sa.Column[Any]]:
    """One nullable column per feature of `EntityFeatures`; the key columns are made by hand."""
    special: dict[str, sa.Column[Any]] = {
        "config_id": sa.Column("config_id", sa.BigInteger, nullable=False),
        "entity_type": sa.Column("entity_type", Level, nullable=False, server_default="campaign"),
        "entity_id": sa.Column("entity_id", Entity, nullable=False),
        "parent_id": sa.Column("parent_id", Entity),
        "feature_date": sa.Column("feature_date", sa.Date, nullable=False),
        "window_days": sa.Column("window_days", sa.Integer, nullable=False, server_default="30"),
        "extra": sa.Column("extra", sa.JSON),
        "insufficient_data": sa.Column(
            "insufficient_data", sa.Boolean, nullable=False, server_default=sa.false()
        ),
        "generated_at": sa.Column("generated_at", Utc, server_default=sa.func.now()),
    }
    return [
        special[name] if name in special else sa.Column(name, _SQL_TYPES[dtype])
        for name, dtype in FEATURES.items()
    ]


class MLFeatures(Base):
    """The features of an entity on a date (asset `features`): one column per `EntityFeatures` field."""

    __table__ = sa.Table(
        "ml_features",
        Base.metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        *_feature_columns(),
        *_key_and_partition("ml_features", "feature_date", "window_days"),
        _newest("ml_features", "feature_date"),
    )


class MLClassification(EntityKey, Base):
    """The tier of an entity on a date (asset `classifications`)."""

    __tablename__ = "ml_classifications"
    __table_args__ = (
        *_key_and_partition("ml_classifications", "classification_date"),
        _newest("ml_classifications", "classification_date"),
        sa.Index("idx_ml_classifications_entity_type", "entity_type"),
        sa.Index("idx_ml_classifications_config_entity", "config_id", "entity_type", "entity_id"),
        sa.Index("ix_ml_classifications_tier", "tier"),
    )

    classification_date: Mapped[dt.date]
    tier: Mapped[str | None] = mapped_column(Word)
    confidence_score: Mapped[float | None]
    probabilities: Mapped[dict[str, Any] | None]
    needs: Mapped[dict[str, Any] | None]
    previous_tier: Mapped[str | None] = mapped_column(Word)
    tier_change_direction: Mapped[str | None] = mapped_column(sa.String(20))
    days_in_tier: Mapped[int | None]
    metrics_snapshot: Mapped[dict[str, Any] | None]
    feature_importances: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None]
    model_version: Mapped[str | None] = mapped_column(Word)
    classified_at: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.now())
    valid_until: Mapped[dt.datetime | None]


class AcknowledgementColumns:
    """Who has seen an alarm, and what they said."""

    acknowledged_by: Mapped[str | None]
    acknowledged_at: Mapped[dt.datetime | None]
    resolution_notes: Mapped[str | None]


class IncidentColumns:
    """What is said of an incident as of a date; the root is the entity of the key."""

    kind: Mapped[str] = mapped_column(Word)
    onset_date: Mapped[dt.date]
    last_date: Mapped[dt.date | None]
    status: Mapped[str | None] = mapped_column(sa.String(20), server_default="open")
    severity: Mapped[str | None] = mapped_column(sa.String(20))
    money: Mapped[float | None]
    alert_rank: Mapped[int | None]
    verdict: Mapped[str | None] = mapped_column(sa.String(20))
    description: Mapped[str | None]
    attribution: Mapped[dict[str, Any] | None]


class MLIncident(EntityKey, IncidentColumns, AcknowledgementColumns, Base):
    """One cause, however many entities and metrics show it, as of the newest look at it."""

    __tablename__ = "ml_incidents"
    __table_args__ = (
        sa.UniqueConstraint(
            "config_id", "entity_type", "entity_id", "kind", "onset_date", name="uq_ml_incidents_key"
        ),
        sa.Index("ix_ml_incidents_open", "config_id", "status", "last_date"),
    )

    incident_id: Mapped[str | None] = mapped_column(sa.String(36), index=True)
    evaluated_date: Mapped[dt.date | None]
    notified_at: Mapped[dt.datetime | None]
    feedback: Mapped[str | None] = mapped_column(Word)


class MLIncidentDay(EntityKey, IncidentColumns, Base):
    """An incident as it was on a date (asset `anomalies`); `ml_incidents` is made of these."""

    __tablename__ = "ml_incident_days"
    __table_args__ = (
        sa.UniqueConstraint(
            "config_id",
            "entity_type",
            "entity_id",
            "evaluated_date",
            "kind",
            "onset_date",
            name="uq_ml_incident_days_key",
        ),
        # The newest date of an account and level is looked up at each run.
        sa.Index("ix_ml_incident_days_partition", "config_id", "entity_type", "evaluated_date"),
    )

    incident_id: Mapped[str] = mapped_column(sa.String(36), index=True)
    evaluated_date: Mapped[dt.date]


class MLAnomaly(EntityKey, AcknowledgementColumns, Base):
    """One metric of one entity out of its expected band on a day (asset `anomalies`)."""

    __tablename__ = "ml_anomalies"
    __table_args__ = (
        *_key_and_partition("ml_anomalies", "anomaly_date", "metric_name", "anomaly_type"),
        _newest("ml_anomalies", "anomaly_date"),
        sa.Index("ix_ml_anomalies_incident", "incident_id"),
    )

    anomaly_date: Mapped[dt.date]
    metric_name: Mapped[str] = mapped_column(sa.String(100))
    anomaly_type: Mapped[str] = mapped_column(sa.String(100))
    observed_value: Mapped[float | None]
    expected_value: Mapped[float | None]
    lower_value: Mapped[float | None]
    upper_value: Mapped[float | None]
    deviation_score: Mapped[float | None]
    p_value: Mapped[float | None]
    severity: Mapped[str | None] = mapped_column(sa.String(20))
    direction: Mapped[str | None] = mapped_column(sa.String(10))
    is_alert: Mapped[bool] = mapped_column(server_default=sa.false())
    is_provisional: Mapped[bool] = mapped_column(server_default=sa.false())
    incident_id: Mapped[str | None] = mapped_column(sa.String(36))
    is_root_cause: Mapped[bool] = mapped_column(server_default=sa.false())
    contribution: Mapped[float | None]
    description: Mapped[str | None]
    detected_at: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.now())
    is_acknowledged: Mapped[bool] = mapped_column(server_default=sa.false())
    is_superseded: Mapped[bool] = mapped_column(server_default=sa.false())


class MLRecommendation(EntityKey, Base):
    """What to do with an entity, as advised on a date (asset `recommendations`)."""

    __tablename__ = "ml_recommendations"
    __table_args__ = (
        *_key_and_partition("ml_recommendations", "recommendation_date", "recommendation_type"),
        _newest("ml_recommendations", "recommendation_date"),
        sa.Index("ix_ml_recommendations_case", "case_id"),
        sa.Index("ix_ml_recommendations_status", "config_id", "status"),
    )

    recommendation_date: Mapped[dt.date]
    recommendation_type: Mapped[str] = mapped_column(Word)
    case_id: Mapped[str | None] = mapped_column(sa.String(36))
    status: Mapped[str | None] = mapped_column(sa.String(20), server_default="active")
    blocked_by: Mapped[str | None] = mapped_column(Word)
    priority: Mapped[int | None]
    title: Mapped[str | None] = mapped_column(sa.String(255))
    description: Mapped[str | None]
    suggested_action: Mapped[dict[str, Any] | None]
    confidence_score: Mapped[float | None]
    reasoning: Mapped[dict[str, Any] | None]
    expected_impact: Mapped[dict[str, Any] | None]
    cost_of_waiting: Mapped[float | None]
    created_at: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.now())
    expires_at: Mapped[dt.datetime | None]
    applied_at: Mapped[dt.datetime | None]
    applied_by: Mapped[str | None]
    dismissed_at: Mapped[dt.datetime | None]
    dismissed_by: Mapped[str | None]
    dismissed_reason: Mapped[str | None]


class MLForecast(EntityKey, Base):
    """A forecast of one metric of one entity, made on a date (asset `forecasts`)."""

    __tablename__ = "ml_forecasts"
    __table_args__ = (
        sa.UniqueConstraint(
            "config_id",
            "entity_type",
            "entity_id",
            "forecast_date",
            "target_metric",
            "horizon_days",
            name="uq_ml_forecasts_key",
        ),
        # The date is last, so that a range of dates is one stretch of the index of an account and level.
        sa.Index("ix_ml_forecasts_partition", "config_id", "entity_type", "forecast_date"),
    )

    target_metric: Mapped[str] = mapped_column(Word)
    horizon_days: Mapped[int] = mapped_column(sa.Integer)
    forecast_date: Mapped[dt.date]
    method: Mapped[str | None] = mapped_column(Word)
    model_version: Mapped[str | None] = mapped_column(Word)
    as_of: Mapped[dt.datetime | None]
    insufficient_data: Mapped[bool] = mapped_column(server_default=sa.false())
    backtest: Mapped[dict[str, Any] | None]
    total_value: Mapped[float | None]
    total_lower_80: Mapped[float | None]
    total_upper_80: Mapped[float | None]
    total_lower_95: Mapped[float | None]
    total_upper_95: Mapped[float | None]
    created_at: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.now())


class MLForecastPoint(Base):
    """One day of a forecast."""

    __tablename__ = "ml_forecast_points"

    forecast_id: Mapped[str] = mapped_column(
        sa.ForeignKey("ml_forecasts.id", ondelete="CASCADE"), primary_key=True
    )
    target_date: Mapped[dt.date] = mapped_column(primary_key=True)
    predicted_value: Mapped[float | None]
    lower_80: Mapped[float | None]
    upper_80: Mapped[float | None]
    lower_95: Mapped[float | None]
    upper_95: Mapped[float | None]
    inside_lower_80: Mapped[float | None]
    inside_upper_80: Mapped[float | None]
    actual_value: Mapped[float | None]


class MLTrainedModel(Base):
    """A trained model and how it did; the model itself is stored so that loading runs no code."""

    __tablename__ = "ml_trained_models"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255))
    model_type: Mapped[str] = mapped_column(Word)
    version: Mapped[str] = mapped_column(Word)
    config_id: Mapped[int | None]
    model_path: Mapped[str | None] = mapped_column(sa.String(500))
    parameters: Mapped[dict[str, Any] | None]
    feature_columns: Mapped[list[Any] | None]
    training_metrics: Mapped[dict[str, Any] | None]
    validation_metrics: Mapped[dict[str, Any] | None]
    status: Mapped[str | None] = mapped_column(sa.String(20), server_default="TRAINING")
    is_active: Mapped[bool] = mapped_column(server_default=sa.false())
    training_data_start: Mapped[dt.datetime | None]
    training_data_end: Mapped[dt.datetime | None]
    samples_count: Mapped[int | None]
    created_at: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.now())
    trained_at: Mapped[dt.datetime | None]
    last_used_at: Mapped[dt.datetime | None]


class MLPolicy(Base):
    """A version of the decision thresholds of an account (null: of all accounts)."""

    __tablename__ = "ml_policies"
    __table_args__ = (sa.UniqueConstraint("config_id", "version", name="uq_ml_policies_version"),)

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    config_id: Mapped[int | None]
    version: Mapped[str] = mapped_column(Word)
    thresholds: Mapped[dict[str, Any] | None]
    is_active: Mapped[bool] = mapped_column(server_default=sa.true())
    created_by: Mapped[str | None]
    created_at: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.now())


class MLClassificationFeedback(Base):
    """What a person said the tier of an entity was."""

    __tablename__ = "ml_classification_feedback"
    __table_args__ = (
        sa.Index("ix_ml_classification_feedback_entity", "config_id", "entity_type", "entity_id"),
    )

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    config_id: Mapped[int]
    entity_type: Mapped[str] = mapped_column(Level, server_default="campaign")
    entity_id: Mapped[str] = mapped_column(Entity)
    classification_date: Mapped[dt.date | None]
    correct_tier: Mapped[str] = mapped_column(Word)
    note: Mapped[str | None]
    given_by: Mapped[str | None]
    given_at: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.now())


class MLNotice(Base):
    """What people are told through the webhook: it waits here until it was taken."""

    __tablename__ = "ml_notices"
    __table_args__ = (
        sa.Index("ix_ml_notices_unsent", "sent_at", "next_try_at"),
        sa.Index("ix_ml_notices_incident", "incident_id"),
    )

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    notice_key: Mapped[str] = mapped_column(sa.String(255), unique=True)
    kind: Mapped[str] = mapped_column(Word)
    config_id: Mapped[int | None]
    incident_id: Mapped[str | None] = mapped_column(sa.String(36))
    event: Mapped[str | None] = mapped_column(Word)
    money: Mapped[float | None]
    is_provisional: Mapped[bool] = mapped_column(server_default=sa.false())
    payload: Mapped[dict[str, Any] | None]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now())
    next_try_at: Mapped[dt.datetime | None]
    tries: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str | None]
    sent_at: Mapped[dt.datetime | None]


class MLAuditLog(Base):
    """Who did what, when."""

    __tablename__ = "ml_audit_log"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    at: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.now(), index=True)
    actor: Mapped[str | None]
    action: Mapped[str] = mapped_column(Word)
    config_id: Mapped[int | None]
    subject: Mapped[str | None]
    details: Mapped[dict[str, Any] | None]


class ApiToken(Base):
    """An access token of the REST API; only its hash is kept."""

    __tablename__ = "api_tokens"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    name: Mapped[str | None] = mapped_column(sa.String(100))
    token_hash: Mapped[str] = mapped_column(sa.String(128), unique=True)
    scope: Mapped[str] = mapped_column(sa.String(10), server_default="read")
    config_ids: Mapped[list[Any] | None]
    created_at: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.now())
    expires_at: Mapped[dt.datetime | None]
    last_used_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]


class ApiLaunch(Base):
    """A run or backfill that a caller of the REST API asked for; the row is there before the run is."""

    __tablename__ = "api_launches"
    __table_args__ = (
        sa.UniqueConstraint("caller", "idempotency_key", name="uq_api_launches_key"),
        sa.Index("ix_api_launches_fingerprint", "fingerprint", "claimed_at"),
        sa.Index("ix_api_launches_run", "run_id"),
    )

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    caller: Mapped[str] = mapped_column(sa.String(100))
    idempotency_key: Mapped[str | None] = mapped_column(sa.String(255))
    request_hash: Mapped[str] = mapped_column(sa.String(64))
    fingerprint: Mapped[str] = mapped_column(sa.String(64))
    config_id: Mapped[int]
    request: Mapped[dict[str, Any] | None]
    run_id: Mapped[str | None] = mapped_column(sa.String(64))
    is_backfill: Mapped[bool] = mapped_column(server_default=sa.false())
    claimed_at: Mapped[dt.datetime]
    launched_at: Mapped[dt.datetime | None]
