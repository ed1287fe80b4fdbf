"""Incidents as they were on each date, and marks of what a later look no longer finds.

What the schema before cannot hold waits in `ml_archive_incident_days`, `ml_archive_incident_dates` and
`ml_archive_superseded_anomalies` on the way down and comes back on the way up. The definitions below are this
revision's own and stay as they are when the models move on.
"""

import sqlalchemy as sa
from alembic import op

from ml_assets.storage.archive import bring_back, has_table, set_aside

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DATES = "ml_archive_incident_dates"
SUPERSEDED = "ml_archive_superseded_anomalies"

INCIDENT_DAYS = sa.Table(
    "ml_incident_days",
    sa.MetaData(naming_convention={"pk": "pk_%(table_name)s"}),
    sa.Column("incident_id", sa.String(36), nullable=False),
    sa.Column("kind", sa.String(50), nullable=False),
    sa.Column("onset_date", sa.Date, nullable=False),
    sa.Column("evaluated_date", sa.Date, nullable=False),
    sa.Column("last_date", sa.Date),
    sa.Column("status", sa.String(20), server_default="open"),
    sa.Column("severity", sa.String(20)),
    sa.Column("money", sa.Float),
    sa.Column("alert_rank", sa.BigInteger),
    sa.Column("verdict", sa.String(20)),
    sa.Column("description", sa.Text),
    sa.Column("attribution", sa.JSON),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("config_id", sa.BigInteger, nullable=False),
    sa.Column("entity_type", sa.String(20), nullable=False, server_default="campaign"),
    sa.Column("entity_id", sa.String(100), nullable=False),
    sa.Column("parent_id", sa.String(100)),
    sa.UniqueConstraint(
        "config_id",
        "entity_type",
        "entity_id",
        "evaluated_date",
        "kind",
        "onset_date",
        name="uq_ml_incident_days_key",
    ),
    sa.Index("ix_ml_incident_days_incident_id", "incident_id"),
    sa.Index("ix_ml_incident_days_partition", "config_id", "entity_type", "evaluated_date"),
)


def upgrade() -> None:
    connection = op.get_bind()
    op.add_column("ml_incidents", sa.Column("evaluated_date", sa.Date))
    op.add_column(
        "ml_anomalies",
        sa.Column("is_superseded", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    bring_back(connection, INCIDENT_DAYS)
    if has_table(connection, DATES):
        op.execute(
            "UPDATE ml_incidents SET evaluated_date = "
            f"(SELECT evaluated_date FROM {DATES} WHERE {DATES}.id = ml_incidents.id)"
        )
        op.drop_table(DATES)
    if has_table(connection, SUPERSEDED):
        op.execute(f"UPDATE ml_anomalies SET is_superseded = TRUE WHERE id IN (SELECT id FROM {SUPERSEDED})")
        op.drop_table(SUPERSEDED)


def downgrade() -> None:
    connection = op.get_bind()
    op.execute(f"CREATE TABLE {DATES} AS SELECT id, evaluated_date FROM ml_incidents")
    op.execute(f"CREATE TABLE {SUPERSEDED} AS SELECT id FROM ml_anomalies WHERE is_superseded")
    set_aside(connection, INCIDENT_DAYS.name)
    op.drop_column("ml_anomalies", "is_superseded")
    op.drop_column("ml_incidents", "evaluated_date")
