"""Multi-level: entities of three levels instead of campaigns, and the recommendation types they need.

Rows that the schema before cannot hold (adsets, ads, new types of advice) move to `ml_archive_*` on the way
down and come back on the way up.
"""

import sqlalchemy as sa
from alembic import op

from ml_assets.storage.archive import (
    drop_indexes,
    has_table,
    move_rows_back,
    move_rows_out,
    reflect,
    rename,
)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OLD_TYPES = (
    "BUDGET_INCREASE",
    "BUDGET_DECREASE",
    "PAUSE_CAMPAIGN",
    "SCALE_UP",
    "CREATIVE_REFRESH",
    "AUDIENCE_REVIEW",
    "REACTIVATE",
    "OPTIMIZE_SCHEDULE",
)
NEW_TYPES = (
    *(name for name in OLD_TYPES if name != "PAUSE_CAMPAIGN"),
    "PAUSE",
    "AUDIENCE_EXPANSION",
    "AUDIENCE_NARROWING",
    "CREATIVE_TEST",
    "CREATIVE_WINNER",
)

LEVEL_ARCHIVE = "ml_archive_levels_{}"
TYPE_ARCHIVE = "ml_archive_new_recommendation_types"
PAUSED_BELOW = "ml_archive_pause_campaign"
"""Ids of PAUSE_CAMPAIGN rows that named an adset or ad, to be told from PAUSE rows of today."""

CLASSIFICATIONS = "ml_classifications"
FEATURES = "ml_features"


def _create_index(table: str, name: str, *columns: str) -> None:
    op.create_index(name, table, list(columns))


def upgrade() -> None:
    connection = op.get_bind()
    rename(connection, "ml_campaign_classifications", CLASSIFICATIONS)
    drop_indexes(connection, CLASSIFICATIONS)
    _to_entities(CLASSIFICATIONS)
    _create_index(CLASSIFICATIONS, "idx_ml_classifications_entity_type", "entity_type")
    _create_index(
        CLASSIFICATIONS, "idx_ml_classifications_config_entity", "config_id", "entity_type", "entity_id"
    )
    _create_index(CLASSIFICATIONS, "ix_ml_classifications_tier", "tier")
    _create_index(CLASSIFICATIONS, "ix_ml_classifications_config_classified_at", "config_id", "classified_at")
    _drop_unique(FEATURES)
    _to_entities(FEATURES)
    _add_unique(
        FEATURES,
        "uq_ml_features_entity",
        "config_id",
        "entity_type",
        "entity_id",
        "window_days",
        "feature_date",
    )
    connection.execute(
        sa.text(
            f"CREATE TABLE {PAUSED_BELOW} AS SELECT id FROM ml_recommendations "
            "WHERE CAST(recommendation_type AS VARCHAR(50)) = 'PAUSE_CAMPAIGN' "
            "AND entity_type IN ('adset', 'ad')"
        )
    )
    _retype(
        NEW_TYPES,
        "UPDATE ml_recommendations SET recommendation_type = 'PAUSE' "
        "WHERE recommendation_type = 'PAUSE_CAMPAIGN'",
    )
    for table in (CLASSIFICATIONS, FEATURES):
        move_rows_back(connection, table, LEVEL_ARCHIVE.format(table))
    move_rows_back(connection, "ml_recommendations", TYPE_ARCHIVE)


def downgrade() -> None:
    connection = op.get_bind()
    for table in (CLASSIFICATIONS, FEATURES):
        move_rows_out(connection, table, LEVEL_ARCHIVE.format(table), "entity_type <> 'campaign'")
    if not has_table(connection, PAUSED_BELOW):
        connection.execute(sa.text(f"CREATE TABLE {PAUSED_BELOW} (id INTEGER)"))
    kept = ", ".join(f"'{name}'" for name in OLD_TYPES)
    is_pause = (
        "CAST(recommendation_type AS VARCHAR(50)) = 'PAUSE' AND (entity_type NOT IN ('adset', 'ad') "
        f"OR id IN (SELECT id FROM {PAUSED_BELOW}))"
    )
    move_rows_out(
        connection,
        "ml_recommendations",
        TYPE_ARCHIVE,
        f"CAST(recommendation_type AS VARCHAR(50)) NOT IN ({kept}) AND NOT ({is_pause})",
    )
    _retype(
        OLD_TYPES,
        "UPDATE ml_recommendations SET recommendation_type = 'PAUSE_CAMPAIGN' "
        "WHERE recommendation_type = 'PAUSE'",
    )
    op.drop_table(PAUSED_BELOW)
    _drop_unique(FEATURES)
    _to_campaigns(FEATURES)
    _add_unique(
        FEATURES, "uq_ml_features_campaign", "config_id", "campaign_id", "window_days", "feature_date"
    )
    drop_indexes(connection, CLASSIFICATIONS)
    _to_campaigns(CLASSIFICATIONS)
    rename(connection, CLASSIFICATIONS, "ml_campaign_classifications")
    table = "ml_campaign_classifications"
    _create_index(table, "ix_ml_classifications_config_campaign", "config_id", "campaign_id")
    _create_index(table, "ix_ml_classifications_tier", "tier")
    _create_index(table, "ix_ml_classifications_config_classified_at", "config_id", "classified_at")


def _to_entities(table: str) -> None:
    op.alter_column(table, "campaign_id", new_column_name="entity_id")
    op.add_column(table, sa.Column("entity_type", sa.String(20), nullable=False, server_default="campaign"))
    op.add_column(table, sa.Column("parent_id", sa.String(100)))


def _to_campaigns(table: str) -> None:
    op.drop_column(table, "parent_id")
    op.drop_column(table, "entity_type")
    op.alter_column(table, "entity_id", new_column_name="campaign_id")


def _retype(names: tuple[str, ...], statement: str) -> None:
    """Run `statement` on the recommendation types as plain text, then hold them to `names`."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        connection.execute(sa.text(statement))
        return
    # The type's name is that of the database at hand: it may come from elsewhere.
    kind = connection.execute(
        sa.text(
            "SELECT udt_name FROM information_schema.columns WHERE table_schema = current_schema() "
            "AND table_name = 'ml_recommendations' AND column_name = 'recommendation_type'"
        )
    ).scalar_one()
    column = "ALTER TABLE ml_recommendations ALTER COLUMN recommendation_type TYPE"
    connection.execute(sa.text(f"{column} VARCHAR(50) USING recommendation_type::text"))
    connection.execute(sa.text(statement))
    if kind != "varchar":
        connection.execute(sa.text(f'DROP TYPE "{kind}"'))
        values = ", ".join(f"'{name}'" for name in names)
        connection.execute(sa.text(f'CREATE TYPE "{kind}" AS ENUM ({values})'))
        connection.execute(sa.text(f'{column} "{kind}" USING recommendation_type::"{kind}"'))


def _drop_unique(table: str) -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        for constraint in sa.inspect(connection).get_unique_constraints(table):
            op.drop_constraint(str(constraint["name"]), table)
    else:
        _rebuild(connection, table)


def _add_unique(table: str, name: str, *columns: str) -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.create_unique_constraint(name, table, list(columns))
    else:
        _rebuild(connection, table, sa.UniqueConstraint(*columns, name=name))


def _rebuild(connection: sa.Connection, table: str, *constraints: sa.UniqueConstraint) -> None:
    """Copy a table into a new one with these constraints alone: SQLite cannot alter them in place."""
    old = reflect(connection, table)
    drop_indexes(connection, table)
    rename(connection, table, f"{table}_before")
    columns = [
        sa.Column(
            column.name,
            column.type,
            primary_key=column.primary_key,
            nullable=column.nullable,
            server_default=getattr(column.server_default, "arg", None),
        )
        for column in old.columns
    ]
    new = sa.Table(table, sa.MetaData(), *columns, *constraints, sqlite_autoincrement=True)
    new.create(connection)
    names = ", ".join(f'"{column.name}"' for column in columns)
    connection.execute(sa.text(f'INSERT INTO "{table}" ({names}) SELECT {names} FROM "{table}_before"'))
    # The counter of ids goes on where it was: it may be above the rows that are left.
    given = connection.execute(
        sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": f"{table}_before"}
    ).scalar_one_or_none()
    connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table})
    connection.execute(
        sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"),
        {"name": table, "seq": given or 0},
    )
    connection.execute(sa.text(f'DROP TABLE "{table}_before"'))
    for index in old.indexes:
        op.create_index(index.name, table, [column.name for column in index.columns])
