"""Who changed what, when: the rows of `ml_audit_log`. What is changed is written elsewhere."""

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import sqlalchemy as sa

from ml_assets.storage.keys import table_of
from ml_assets.storage.tables import MLAuditLog

_TABLE = table_of(MLAuditLog)

_THROUGH: ContextVar[Mapping[str, Any]] = ContextVar("through", default={})  # noqa: B039 - never changed


@contextmanager
def acting_through(**what: Any) -> Iterator[None]:  # noqa: ANN401 - anything JSON can hold
    """What is logged in the block says in its details through what it was done, such as ``token="bot"``."""
    token = _THROUGH.set(what)
    try:
        yield
    finally:
        _THROUGH.reset(token)


def log_action(
    connection: sa.Connection,
    actor: str,
    action: str,
    *,
    config_id: int | None = None,
    subject: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add a row, in the transaction of the change it tells of.

    `action` is a word such as ``policy.set``, `config_id` the account (None: all of them), `subject` what
    was changed, by its id or name, `details` anything JSON can hold.
    """
    connection.execute(
        sa.insert(_TABLE).values(
            id=str(uuid.uuid4()),
            at=dt.datetime.now(dt.UTC),
            actor=actor,
            action=action,
            config_id=config_id,
            subject=subject,
            details={**(details or {}), **_THROUGH.get()} or sa.null(),
        )
    )
