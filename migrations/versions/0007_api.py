"""Runs that callers of the API asked for, and indexes by which it finds each account's newest day.

On the way down the rows wait in `ml_archive_api_launches`, and come back on the way up.
"""

import sqlalchemy as sa
from alembic import op

from ml_assets.storage.archive import bring_back, set_aside

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

LAUNCHES = sa.Table(
    "api_launches",
    sa.MetaData(naming_convention=NAMING),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("caller", sa.String(100), nullable=False),
    sa.Column("idempotency_key", sa.String(255)),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("config_id", sa.BigInteger, nullable=False),
    sa.Column("request", sa.JSON),
    sa.Column("run_id", sa.String(64)),
    sa.Column("is_backfill", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("launched_at", sa.DateTime(timezone=True)),
    sa.UniqueConstraint("caller", "idempotency_key", name="uq_api_launches_key"),
    sa.Index("ix_api_launches_fingerprint", "fingerprint", "claimed_at"),
    sa.Index("ix_api_launches_run", "run_id"),
)

NEWEST = {
    "ml_features": "feature_date",
    "ml_classifications": "classification_date",
    "ml_anomalies": "anomaly_date",
    "ml_recommendations": "recommendation_date",
}
"""Table -> the date of its partition."""


def upgrade() -> None:
    bring_back(op.get_bind(), LAUNCHES)
    for table, date in NEWEST.items():
        op.create_index(f"ix_{table}_newest", table, ["config_id", "entity_type", date, "entity_id"])


def downgrade() -> None:
    for table in NEWEST:
        op.drop_index(f"ix_{table}_newest", table)
    set_aside(op.get_bind(), LAUNCHES.name)
