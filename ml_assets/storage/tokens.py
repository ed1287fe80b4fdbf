"""Access tokens of the REST API: made, listed, revoked, and looked up by their hash. Secrets are never kept.

A secret has 256 random bits, so nobody can try them out and a plain SHA-256 hides it; slow hashes are for
passwords that people choose.
"""

import datetime as dt
import hashlib
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ml_assets.errors import UsageError
from ml_assets.storage.audit import log_action
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import table_of
from ml_assets.storage.reads import as_utc, read_accounts
from ml_assets.storage.tables import ApiToken

TABLE = table_of(ApiToken)

PREFIX = "mla_"
"""Every secret begins with it, so that one that leaked into a log or a repository is found."""

SECRET_BYTES = 32
LEAST_DIGITS = 4
LONGEST_NAME = 100

Scope = Literal["read", "write"]
State = Literal["active", "expired", "revoked"]


@dataclass(frozen=True)
class Token:
    """A token as it is kept."""

    id: str
    name: str
    token_hash: str
    scope: str
    config_ids: tuple[int, ...] | None
    """The accounts it is for; None: all, those of tomorrow too."""
    created_at: dt.datetime | None
    expires_at: dt.datetime | None
    last_used_at: dt.datetime | None
    revoked_at: dt.datetime | None

    def state(self, now: dt.datetime) -> State:
        """Whether it is good at a moment."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


def hash_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def create_token(
    connection: sa.Connection,
    name: str,
    scope: Scope,
    config_ids: Sequence[int] | None,
    expires_at: dt.datetime | None,
    by: str,
) -> tuple[str, Token]:
    """Make a token: its secret, which is told this once, and what is kept; with one line of the log.

    `config_ids` None: all accounts. Raises UsageError for a name that is empty, too long, not printable or
    in use, for unknown accounts, for none at all, and for an end that is past.
    """
    now = dt.datetime.now(dt.UTC)
    title = name.strip()
    if not title or len(title) > LONGEST_NAME or not title.isprintable():
        raise UsageError(f"A token needs a printable name of 1 to {LONGEST_NAME} characters: who uses it.")
    if expires_at is not None and as_utc(expires_at) <= now:
        raise UsageError("The token would have expired already; give a later end.")
    begin_writing(connection, TABLE.name)
    if any(token.name == title and token.revoked_at is None for token in list_tokens(connection)):
        raise UsageError(f"There is a token {title!r} already; revoke it first, or take another name.")
    wanted = None if config_ids is None else sorted(set(config_ids))
    if wanted is not None:
        known = set(read_accounts(connection, active_only=False)["config_id"])
        unknown = [each for each in wanted if each not in known]
        if unknown or not wanted:
            named = ", ".join(map(str, unknown)) or "chosen"
            raise UsageError(f"There is no account {named}; `ml-assets accounts list` shows those there are.")
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    token = Token(
        id=str(uuid.uuid4()),
        name=title,
        token_hash=hash_of(secret),
        scope=scope,
        config_ids=None if wanted is None else tuple(wanted),
        created_at=now,
        expires_at=None if expires_at is None else as_utc(expires_at),
        last_used_at=None,
        revoked_at=None,
    )
    connection.execute(
        sa.insert(TABLE).values(
            id=token.id,
            name=title,
            token_hash=token.token_hash,
            scope=scope,
            config_ids=sa.null() if wanted is None else wanted,
            created_at=now,
            expires_at=token.expires_at,
        )
    )
    log_action(
        connection,
        by,
        "token.create",
        subject=token.id,
        details={"name": title, "scope": scope, "config_ids": wanted},
    )
    return secret, token


def list_tokens(connection: sa.Connection) -> list[Token]:
    """All tokens, the newest first, those that are no good any more too."""
    query = sa.select(TABLE).order_by(TABLE.c.created_at.desc(), TABLE.c.id)
    return [_token(row) for row in connection.execute(query).mappings()]


def any_token(connection: sa.Connection) -> bool:
    """Whether a token was ever made."""
    return connection.execute(sa.select(TABLE.c.id).limit(1)).first() is not None


def revoke_token(connection: sa.Connection, token: str, by: str) -> Token:
    """Make a token useless for good: by its id, its first digits, or its name; with one line of the log.

    One that is revoked stays as it is. Raises UsageError where nothing, or more than one, is meant.
    """
    begin_writing(connection, TABLE.name)
    found = _find(list_tokens(connection), token.strip())
    if found.revoked_at is not None:
        return found
    now = dt.datetime.now(dt.UTC)
    connection.execute(sa.update(TABLE).where(TABLE.c.id == found.id).values(revoked_at=now))
    log_action(connection, by, "token.revoke", subject=found.id, details={"name": found.name})
    return Token(**{**found.__dict__, "revoked_at": now})


def touch_tokens(connection: sa.Connection, used: Mapping[str, dt.datetime]) -> None:
    """Say when tokens (by id) were last used, in one statement."""
    if not used:
        return
    moments = {token_id: as_utc(moment) for token_id, moment in used.items()}
    at = sa.case(moments, value=TABLE.c.id, else_=TABLE.c.last_used_at)
    connection.execute(sa.update(TABLE).where(TABLE.c.id.in_(list(moments))).values(last_used_at=at))


def _find(tokens: Sequence[Token], text: str) -> Token:
    named = [token for token in tokens if token.name == text]
    # A name may be used again once its token was revoked; the one in use is meant.
    for found in ([token for token in named if token.revoked_at is None], named):
        if len(found) == 1:
            return found[0]
    starting = [token for token in tokens if token.id.startswith(text.lower())]
    if len(text) >= LEAST_DIGITS and len(starting) == 1:
        return starting[0]
    what = "More than one token is" if len(named) + len(starting) > 1 else "There is no token"
    raise UsageError(f"{what} {text!r}; `ml-assets token list` shows their ids and names.")


def _token(row: sa.RowMapping) -> Token:
    def moment(name: str) -> dt.datetime | None:
        return None if row[name] is None else as_utc(row[name])

    ids: Any = row["config_ids"]
    return Token(
        id=row["id"],
        name=row["name"] or row["id"][:8],
        token_hash=row["token_hash"],
        scope=row["scope"],
        config_ids=None if ids is None else tuple(int(each) for each in ids),
        created_at=moment("created_at"),
        expires_at=moment("expires_at"),
        last_used_at=moment("last_used_at"),
        revoked_at=moment("revoked_at"),
    )
