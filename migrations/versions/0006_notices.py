"""What is told through the webhook, and whether it arrived.

On the way down the rows wait in `ml_archive_notices`, and come back on the way up.
"""

import sqlalchemy as sa
from alembic import op

from ml_assets.storage.archive import bring_back, set_aside

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NOTICES = sa.Table(
    "ml_notices",
    sa.MetaData(naming_convention={"pk": "pk_%(table_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("notice_key", sa.String(255), nullable=False, unique=True),
    sa.Column("kind", sa.String(50), nullable=False),
    sa.Column("config_id", sa.BigInteger),
    sa.Column("incident_id", sa.String(36)),
    sa.Column("event", sa.String(50)),
    sa.Column("money", sa.Float),
    sa.Column("is_provisional", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("payload", sa.JSON),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("next_try_at", sa.DateTime(timezone=True)),
    sa.Column("tries", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("last_error", sa.Text),
    sa.Column("sent_at", sa.DateTime(timezone=True)),
    sa.Index("ix_ml_notices_unsent", "sent_at", "next_try_at"),
    sa.Index("ix_ml_notices_incident", "incident_id"),
)


def upgrade() -> None:
    bring_back(op.get_bind(), NOTICES)


def downgrade() -> None:
    set_aside(op.get_bind(), NOTICES.name)
