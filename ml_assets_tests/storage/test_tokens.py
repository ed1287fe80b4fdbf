"""Access tokens: secrets are told once, kept as hashes, and end."""

import datetime as dt

import pytest
import sqlalchemy as sa

from ml_assets.errors import UsageError
from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage.accounts import add_account
from ml_assets.storage.tokens import (
    PREFIX,
    any_token,
    create_token,
    hash_of,
    list_tokens,
    revoke_token,
    touch_tokens,
)

NOW = dt.datetime.now(dt.UTC)


def everything(engine: sa.Engine) -> str:
    """All that the tables of tokens and of the log hold, as text."""
    with engine.connect() as connection:
        rows = [
            *connection.execute(sa.text("SELECT * FROM api_tokens")),
            *connection.execute(sa.text("SELECT * FROM ml_audit_log")),
        ]
    return str(rows)


def test_a_secret_is_told_once_and_kept_nowhere(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert not any_token(connection)
        secret, token = create_token(connection, " dashboard ", "read", None, None, "ana")
        assert any_token(connection)
    assert secret.startswith(PREFIX)
    assert len(secret) > 40
    assert secret not in everything(engine)
    assert secret.removeprefix(PREFIX) not in everything(engine)
    with engine.connect() as connection:
        [kept] = list_tokens(connection)
        logged = connection.execute(sa.text("SELECT actor, action, subject FROM ml_audit_log")).all()
    assert kept == token
    assert (kept.name, kept.token_hash, kept.config_ids) == ("dashboard", hash_of(secret), None)
    assert [tuple(row) for row in logged] == [("ana", "token.create", token.id)]


def test_it_ends_by_itself_or_by_hand_and_its_name_is_free_again(engine: sa.Engine) -> None:
    ends = NOW + dt.timedelta(days=1)
    with engine.begin() as connection:
        add_account(connection, AccountInfo("1", "Clinic"))
        _, first = create_token(connection, "bot", "write", [1], ends, "ana")
        assert first.state(NOW) == "active"
        assert first.state(ends) == "expired"
        with pytest.raises(UsageError, match="revoke it first"):
            create_token(connection, "bot", "read", None, None, "ana")
        revoked = revoke_token(connection, first.id[:6], "ana")
        assert revoked.state(NOW) == "revoked"
        _, second = create_token(connection, "bot", "read", None, None, "ana")
        assert revoke_token(connection, "bot", "ana").id == second.id
        again = revoke_token(connection, second.id, "ana")
    with engine.connect() as connection:
        tokens = {token.id: token for token in list_tokens(connection)}
        assert connection.execute(sa.text("SELECT count(*) FROM ml_audit_log")).scalar() == 4
    assert tokens[first.id].config_ids == (1,)
    assert tokens[first.id].expires_at == ends
    assert tokens[second.id].revoked_at == again.revoked_at


@pytest.mark.parametrize(
    ("name", "config_ids", "expires_at", "said"),
    [
        ("  ", None, None, "printable name"),
        ("x" * 101, None, None, "printable name"),
        ("a\x00b", None, None, "printable name"),
        ("a\x1b[31m", None, None, "printable name"),
        ("a\udcff", None, None, "printable name"),
        ("bot", [7], None, "no account 7"),
        ("bot", [], None, "no account chosen"),
        ("bot", None, NOW - dt.timedelta(days=1), "later end"),
    ],
)
def test_what_cannot_be_right_is_refused(
    engine: sa.Engine,
    name: str,
    config_ids: list[int] | None,
    expires_at: dt.datetime | None,
    said: str,
) -> None:
    with engine.begin() as connection, pytest.raises(UsageError, match=said):
        create_token(connection, name, "read", config_ids, expires_at, "ana")


def test_a_token_that_is_not_there_cannot_be_revoked(engine: sa.Engine) -> None:
    with engine.begin() as connection, pytest.raises(UsageError, match="no token 'nobody'"):
        revoke_token(connection, "nobody", "ana")


def test_when_tokens_were_used_is_written_at_once_and_only_for_them(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        ids = [create_token(connection, name, "read", None, None, "ana")[1].id for name in "abc"]
        touch_tokens(connection, {ids[0]: NOW, ids[1]: NOW - dt.timedelta(hours=1)})
        touch_tokens(connection, {})
    with engine.connect() as connection:
        used = {token.id: token.last_used_at for token in list_tokens(connection)}
    assert used == {ids[0]: NOW, ids[1]: NOW - dt.timedelta(hours=1), ids[2]: None}
