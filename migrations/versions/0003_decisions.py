"""What the decisions need: every table of the project, ids that are made of keys, typed features.

The tables of the schema before are kept as `ml_archive_legacy_*` for the way down, the tables of this one
as `ml_archive_*` for the way up; `ml_assets.storage.legacy` carries what changed from one to the other.
The definitions below are this revision's own and stay as they are when the models move on.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from ml_assets.storage.legacy import moves

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
HEAD = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)


def _columns(kind: Any, names: str) -> list[sa.Column[Any]]:  # noqa: ANN401
    return [sa.Column(name, kind) for name in names.split()]


sa.Table(
    "ads_accounts",
    HEAD,
    sa.Column("config_id", BIG_ID, primary_key=True),
    sa.Column("account_id", sa.String(100), nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("currency", sa.String(3)),
    sa.Column("timezone", sa.String(50)),
    sa.Column("conversion_actions", sa.JSON),
    *_columns(sa.Float, "target_cpl monthly_budget"),
    sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("source", sa.JSON),
    sa.Column("created_at", TIME, server_default=sa.func.now()),
    sa.UniqueConstraint("account_id", name="uq_ads_accounts_account_id"),
)
sa.Table(
    "ads_entity_versions",
    HEAD,
    sa.Column("config_id", sa.BigInteger, primary_key=True),
    sa.Column("entity_type", sa.String(20), primary_key=True),
    sa.Column("entity_id", sa.String(100), primary_key=True),
    sa.Column("known_at", TIME, primary_key=True),
    sa.Column("fields", sa.JSON),
)
sa.Table(
    "ads_insights",
    HEAD,
    sa.Column("config_id", sa.BigInteger, primary_key=True),
    sa.Column("entity_type", sa.String(20), primary_key=True),
    sa.Column("entity_id", sa.String(100), primary_key=True),
    sa.Column("date", sa.Date, primary_key=True),
    sa.Column("window_days", sa.SmallInteger, primary_key=True, server_default=sa.text("1")),
    sa.Column("known_at", TIME, primary_key=True),
    sa.Column("spend", sa.Float),
    *_columns(sa.BigInteger, "impressions reach"),
    sa.Column("frequency", sa.Float),
    *_columns(sa.BigInteger, "clicks link_clicks leads"),
    sa.Column("actions", sa.JSON),
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
sa.Table(
    "ads_rejected_rows",
    HEAD,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("config_id", sa.BigInteger),
    sa.Column("source", sa.Text),
    sa.Column("line", sa.BigInteger),
    sa.Column("raw", sa.JSON),
    sa.Column("reason", sa.Text),
    sa.Column("rejected_at", TIME, server_default=sa.func.now()),
    sa.Index("ix_ads_rejected_rows_config_id", "config_id"),
)
sa.Table(
    "api_tokens",
    HEAD,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(100)),
    sa.Column("token_hash", sa.String(128), nullable=False),
    sa.Column("scope", sa.String(10), nullable=False, server_default="read"),
    sa.Column("config_ids", sa.JSON),
    sa.Column("created_at", TIME, server_default=sa.func.now()),
    *_columns(TIME, "expires_at last_used_at revoked_at"),
    sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
)
sa.Table(
    "ml_anomalies",
    HEAD,
    sa.Column("anomaly_date", sa.Date, nullable=False),
    sa.Column("metric_name", sa.String(100), nullable=False),
    sa.Column("anomaly_type", sa.String(100), nullable=False),
    *_columns(sa.Float, "observed_value expected_value lower_value upper_value deviation_score p_value"),
    sa.Column("severity", sa.String(20)),
    sa.Column("direction", sa.String(10)),
    sa.Column("is_alert", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("is_provisional", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("incident_id", sa.String(36)),
    sa.Column("is_root_cause", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("contribution", sa.Float),
    sa.Column("description", sa.Text),
    sa.Column("detected_at", TIME, server_default=sa.func.now()),
    sa.Column("is_acknowledged", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("config_id", sa.BigInteger, nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False, server_default="campaign"),
    sa.Column("entity_id", sa.String(100), nullable=False),
    sa.Column("parent_id", sa.String(100)),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("acknowledged_at", TIME),
    sa.Column("resolution_notes", sa.Text),
    sa.UniqueConstraint(
        "config_id",
        "entity_type",
        "entity_id",
        "anomaly_date",
        "metric_name",
        "anomaly_type",
        name="uq_ml_anomalies_key",
    ),
    sa.Index("ix_ml_anomalies_incident", "incident_id"),
    sa.Index("ix_ml_anomalies_partition", "anomaly_date", "entity_type", "config_id"),
)
sa.Table(
    "ml_audit_log",
    HEAD,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("at", TIME, server_default=sa.func.now()),
    sa.Column("actor", sa.Text),
    sa.Column("action", sa.String(50), nullable=False),
    sa.Column("config_id", sa.BigInteger),
    sa.Column("subject", sa.Text),
    sa.Column("details", sa.JSON),
    sa.Index("ix_ml_audit_log_at", "at"),
)
sa.Table(
    "ml_classification_feedback",
    HEAD,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("config_id", sa.BigInteger, nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False, server_default="campaign"),
    sa.Column("entity_id", sa.String(100), nullable=False),
    sa.Column("classification_date", sa.Date),
    sa.Column("correct_tier", sa.String(50), nullable=False),
    *_columns(sa.Text, "note given_by"),
    sa.Column("given_at", TIME, server_default=sa.func.now()),
    sa.Index("ix_ml_classification_feedback_entity", "config_id", "entity_type", "entity_id"),
)
sa.Table(
    "ml_classifications",
    HEAD,
    sa.Column("classification_date", sa.Date, nullable=False),
    sa.Column("tier", sa.String(50)),
    sa.Column("confidence_score", sa.Float),
    *_columns(sa.JSON, "probabilities needs"),
    sa.Column("previous_tier", sa.String(50)),
    sa.Column("tier_change_direction", sa.String(20)),
    sa.Column("days_in_tier", sa.BigInteger),
    *_columns(sa.JSON, "metrics_snapshot feature_importances"),
    sa.Column("reason", sa.Text),
    sa.Column("model_version", sa.String(50)),
    sa.Column("classified_at", TIME, server_default=sa.func.now()),
    sa.Column("valid_until", TIME),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("config_id", sa.BigInteger, nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False, server_default="campaign"),
    sa.Column("entity_id", sa.String(100), nullable=False),
    sa.Column("parent_id", sa.String(100)),
    sa.UniqueConstraint(
        "config_id", "entity_type", "entity_id", "classification_date", name="uq_ml_classifications_key"
    ),
    sa.Index("idx_ml_classifications_config_entity", "config_id", "entity_type", "entity_id"),
    sa.Index("idx_ml_classifications_entity_type", "entity_type"),
    sa.Index("ix_ml_classifications_partition", "classification_date", "entity_type", "config_id"),
    sa.Index("ix_ml_classifications_tier", "tier"),
)
sa.Table(
    "ml_entity_metrics",
    HEAD,
    sa.Column("campaign_id", sa.String(100)),
    sa.Column("date", sa.Date, nullable=False),
    sa.Column("known_at", TIME),
    sa.Column("delivered_level", sa.String(20)),
    sa.Column("spend", sa.Float),
    *_columns(sa.BigInteger, "impressions clicks link_clicks leads reach reach_bound reach_7d"),
    *_columns(sa.Float, "frequency_7d residual_spend"),
    *_columns(sa.BigInteger, "residual_impressions residual_clicks residual_leads"),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("config_id", sa.BigInteger, nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False, server_default="campaign"),
    sa.Column("entity_id", sa.String(100), nullable=False),
    sa.Column("parent_id", sa.String(100)),
    sa.UniqueConstraint("config_id", "entity_type", "entity_id", "date", name="uq_ml_entity_metrics_key"),
    sa.Index("ix_ml_entity_metrics_partition", "date", "entity_type", "config_id"),
)
sa.Table(
    "ml_features",
    HEAD,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("config_id", sa.BigInteger, nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False, server_default="campaign"),
    sa.Column("entity_id", sa.String(100), nullable=False),
    sa.Column("parent_id", sa.String(100)),
    sa.Column("feature_date", sa.Date, nullable=False),
    sa.Column("window_days", sa.Integer, nullable=False, server_default="30"),
    sa.Column("spend_7d", sa.Float),
    *_columns(sa.BigInteger, "impressions_7d clicks_7d leads_7d"),
    sa.Column("spend_14d", sa.Float),
    sa.Column("leads_14d", sa.BigInteger),
    sa.Column("spend_30d", sa.Float),
    sa.Column("leads_30d", sa.BigInteger),
    *_columns(
        sa.Float,
        "avg_daily_spend_30d cpl_7d ctr_7d cpc_7d conversion_rate_7d cpm_7d cpl_14d cpl_30d "
        "cpl_trend leads_trend spend_trend ctr_trend leads_trend_probability cpl_std_7d "
        "leads_std_7d leads_dispersion",
    ),
    *_columns(sa.BigInteger, "days_with_leads_7d days_active delivery_days_14d"),
    *_columns(sa.Boolean, "is_active has_budget"),
    sa.Column("budget_owner", sa.Text),
    *_columns(sa.Float, "daily_budget lifetime_budget frequency_7d"),
    sa.Column("reach_7d", sa.BigInteger),
    sa.Column("frequency_7d_min", sa.Float),
    *_columns(sa.BigInteger, "best_day_of_week worst_day_of_week"),
    *_columns(
        sa.Float,
        "share_of_parent_spend share_of_parent_leads performance_vs_siblings prob_best_sibling "
        "prob_worst_sibling audience_overlap_score",
    ),
    *_columns(sa.Text, "overlap_with overlap_method"),
    sa.Column("creative_fatigue_score", sa.Float),
    sa.Column("fatigue_verdict", sa.Text),
    *_columns(sa.Float, "days_to_fatigue days_to_fatigue_lo_80 days_to_fatigue_hi_80 target_cpl"),
    sa.Column("target_source", sa.Text),
    sa.Column("seeks_leads", sa.Boolean),
    *_columns(
        sa.Float,
        "cpl_shrunk cpl_shrunk_lo_80 cpl_shrunk_hi_80 expected_leads maturity posterior_shape "
        "posterior_rate prior_mean prior_shape ctr_shrunk ctr_weight cvr_shrunk cvr_shape",
    ),
    sa.Column("extra", sa.JSON),
    sa.Column("insufficient_data", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("generated_at", TIME, server_default=sa.func.now()),
    sa.UniqueConstraint(
        "config_id", "entity_type", "entity_id", "feature_date", "window_days", name="uq_ml_features_key"
    ),
    sa.Index("ix_ml_features_partition", "feature_date", "entity_type", "config_id"),
)
sa.Table(
    "ml_forecasts",
    HEAD,
    sa.Column("target_metric", sa.String(50), nullable=False),
    sa.Column("horizon_days", sa.Integer, nullable=False),
    sa.Column("forecast_date", sa.Date, nullable=False),
    *_columns(sa.String(50), "method model_version"),
    sa.Column("as_of", TIME),
    sa.Column("insufficient_data", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("backtest", sa.JSON),
    sa.Column("created_at", TIME, server_default=sa.func.now()),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("config_id", sa.BigInteger, nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False, server_default="campaign"),
    sa.Column("entity_id", sa.String(100), nullable=False),
    sa.Column("parent_id", sa.String(100)),
    sa.UniqueConstraint(
        "config_id",
        "entity_type",
        "entity_id",
        "forecast_date",
        "target_metric",
        "horizon_days",
        name="uq_ml_forecasts_key",
    ),
    sa.Index("ix_ml_forecasts_partition", "forecast_date", "entity_type", "config_id"),
)
sa.Table(
    "ml_incidents",
    HEAD,
    sa.Column("incident_id", sa.String(36)),
    sa.Column("kind", sa.String(50), nullable=False),
    sa.Column("onset_date", sa.Date, nullable=False),
    sa.Column("last_date", sa.Date),
    sa.Column("status", sa.String(20), server_default="open"),
    sa.Column("severity", sa.String(20)),
    sa.Column("money", sa.Float),
    sa.Column("alert_rank", sa.BigInteger),
    sa.Column("notified_at", TIME),
    sa.Column("description", sa.Text),
    sa.Column("verdict", sa.String(20)),
    sa.Column("attribution", sa.JSON),
    sa.Column("feedback", sa.String(50)),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("config_id", sa.BigInteger, nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False, server_default="campaign"),
    sa.Column("entity_id", sa.String(100), nullable=False),
    sa.Column("parent_id", sa.String(100)),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("acknowledged_at", TIME),
    sa.Column("resolution_notes", sa.Text),
    sa.UniqueConstraint(
        "config_id", "entity_type", "entity_id", "kind", "onset_date", name="uq_ml_incidents_key"
    ),
    sa.Index("ix_ml_incidents_incident_id", "incident_id"),
    sa.Index("ix_ml_incidents_open", "config_id", "status", "last_date"),
)
sa.Table(
    "ml_policies",
    HEAD,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("config_id", sa.BigInteger),
    sa.Column("version", sa.String(50), nullable=False),
    sa.Column("thresholds", sa.JSON),
    sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("created_by", sa.Text),
    sa.Column("created_at", TIME, server_default=sa.func.now()),
    sa.UniqueConstraint("config_id", "version", name="uq_ml_policies_version"),
)
sa.Table(
    "ml_recommendations",
    HEAD,
    sa.Column("recommendation_date", sa.Date, nullable=False),
    sa.Column("recommendation_type", sa.String(50), nullable=False),
    sa.Column("case_id", sa.String(36)),
    sa.Column("status", sa.String(20), server_default="active"),
    sa.Column("blocked_by", sa.String(50)),
    sa.Column("priority", sa.BigInteger),
    sa.Column("title", sa.String(255)),
    sa.Column("description", sa.Text),
    sa.Column("suggested_action", sa.JSON),
    sa.Column("confidence_score", sa.Float),
    *_columns(sa.JSON, "reasoning expected_impact"),
    sa.Column("cost_of_waiting", sa.Float),
    sa.Column("created_at", TIME, server_default=sa.func.now()),
    *_columns(TIME, "expires_at applied_at"),
    sa.Column("applied_by", sa.Text),
    sa.Column("dismissed_at", TIME),
    *_columns(sa.Text, "dismissed_by dismissed_reason"),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("config_id", sa.BigInteger, nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False, server_default="campaign"),
    sa.Column("entity_id", sa.String(100), nullable=False),
    sa.Column("parent_id", sa.String(100)),
    sa.UniqueConstraint(
        "config_id",
        "entity_type",
        "entity_id",
        "recommendation_date",
        "recommendation_type",
        name="uq_ml_recommendations_key",
    ),
    sa.Index("ix_ml_recommendations_case", "case_id"),
    sa.Index("ix_ml_recommendations_partition", "recommendation_date", "entity_type", "config_id"),
    sa.Index("ix_ml_recommendations_status", "config_id", "status"),
)
sa.Table(
    "ml_trained_models",
    HEAD,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("model_type", sa.String(50), nullable=False),
    sa.Column("version", sa.String(50), nullable=False),
    sa.Column("config_id", sa.BigInteger),
    sa.Column("model_path", sa.String(500)),
    *_columns(sa.JSON, "parameters feature_columns training_metrics validation_metrics"),
    sa.Column("status", sa.String(20), server_default="TRAINING"),
    sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.false()),
    *_columns(TIME, "training_data_start training_data_end"),
    sa.Column("samples_count", sa.BigInteger),
    sa.Column("created_at", TIME, server_default=sa.func.now()),
    *_columns(TIME, "trained_at last_used_at"),
)
sa.Table(
    "ads_ads",
    HEAD,
    sa.Column("ad_id", sa.String(100), primary_key=True),
    *_columns(sa.String(100), "adset_id campaign_id creative_id"),
    sa.Column(
        "config_id", BIG_ID, sa.ForeignKey("ads_accounts.config_id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("name", sa.Text),
    *_columns(sa.String(50), "status effective_status"),
    *_columns(TIME, "created_time synced_at"),
)
sa.Table(
    "ads_adsets",
    HEAD,
    sa.Column("adset_id", sa.String(100), primary_key=True),
    sa.Column("campaign_id", sa.String(100)),
    sa.Column("optimization_goal", sa.String(50)),
    sa.Column("attribution_setting", sa.Text),
    sa.Column("targeting", sa.JSON),
    sa.Column("learning_status", sa.String(50)),
    sa.Column("last_significant_edit_at", TIME),
    sa.Column(
        "config_id", BIG_ID, sa.ForeignKey("ads_accounts.config_id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("name", sa.Text),
    *_columns(sa.String(50), "status effective_status"),
    *_columns(TIME, "created_time synced_at"),
    *_columns(sa.Float, "daily_budget lifetime_budget"),
    sa.Column("bid_strategy", sa.String(50)),
    *_columns(TIME, "start_time stop_time"),
)
sa.Table(
    "ads_campaigns",
    HEAD,
    sa.Column("campaign_id", sa.String(100), primary_key=True),
    sa.Column("objective", sa.String(50)),
    sa.Column("target_cpl", sa.Float),
    sa.Column(
        "config_id", BIG_ID, sa.ForeignKey("ads_accounts.config_id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("name", sa.Text),
    *_columns(sa.String(50), "status effective_status"),
    *_columns(TIME, "created_time synced_at"),
    *_columns(sa.Float, "daily_budget lifetime_budget"),
    sa.Column("bid_strategy", sa.String(50)),
    *_columns(TIME, "start_time stop_time"),
)
sa.Table(
    "ml_forecast_points",
    HEAD,
    sa.Column(
        "forecast_id", sa.String(36), sa.ForeignKey("ml_forecasts.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("target_date", sa.Date, primary_key=True),
    *_columns(sa.Float, "predicted_value lower_80 upper_80 lower_95 upper_95 actual_value"),
)


def upgrade() -> None:
    moves.up(op.get_bind(), HEAD)


def downgrade() -> None:
    moves.down(op.get_bind(), HEAD)
