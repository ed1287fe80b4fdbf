"""What people say the tier of an entity was: the rows of `ml_classification_feedback`."""

import datetime as dt
import uuid

import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.storage.audit import log_action
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import table_of
from ml_assets.storage.tables import MLClassificationFeedback

TABLE = table_of(MLClassificationFeedback)


def store_tier_feedback(
    connection: sa.Connection,
    config_id: int,
    entity_type: EntityType,
    entity_id: str,
    correct_tier: str,
    by: str,
    *,
    date: dt.date | None = None,
    note: str | None = None,
) -> bool:
    """Say what the tier of an entity was (on a date, if one is given); False: the same was said last.

    One line of the log. The newest word of an entity and date counts; those before it are kept.
    """
    begin_writing(connection, TABLE.name)
    is_same_place = [
        TABLE.c.config_id == config_id,
        TABLE.c.entity_type == entity_type.value,
        TABLE.c.entity_id == entity_id,
        TABLE.c.classification_date.is_(None) if date is None else TABLE.c.classification_date == date,
    ]
    newest = sa.select(TABLE.c.correct_tier, TABLE.c.note).where(*is_same_place)
    said = connection.execute(newest.order_by(TABLE.c.given_at.desc(), TABLE.c.id).limit(1)).first()
    if said is not None and tuple(said) == (correct_tier, note):
        return False
    row_id = str(uuid.uuid4())
    connection.execute(
        sa.insert(TABLE).values(
            id=row_id,
            config_id=config_id,
            entity_type=entity_type.value,
            entity_id=entity_id,
            classification_date=date,
            correct_tier=correct_tier,
            note=note,
            given_by=by,
            given_at=dt.datetime.now(dt.UTC),
        )
    )
    log_action(
        connection,
        by,
        "classification.feedback",
        config_id=config_id,
        subject=row_id,
        details={
            "entity_type": entity_type.value,
            "entity_id": entity_id,
            "date": None if date is None else date.isoformat(),
            "correct_tier": correct_tier,
            "note": note,
        },
    )
    return True
