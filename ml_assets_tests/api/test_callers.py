"""Who is let in, to what, and what they are told otherwise."""

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ml_assets.api import callers
from ml_assets.api.app import PREFIX, create_app
from ml_assets.api.callers import TokenCache
from ml_assets.api.context import Context
from ml_assets.api.rate_limit import RateLimiter
from ml_assets.settings import settings
from ml_assets.storage.tokens import create_token, list_tokens, revoke_token
from ml_assets_tests.api.serving import serving

SOON = 0.2
"""Seconds that tokens are kept in these tests."""


@pytest.fixture(autouse=True)
def _tokens_are_read_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "TOKENS_SECONDS", SOON)


@contextmanager
def served(
    engine: sa.Engine, *, limit: float = 0.0, is_open_allowed: bool = True
) -> Iterator[tuple[str, Context]]:
    limiter = RateLimiter(limit, 2.0)
    context = Context(engine, TokenCache(engine), limiter, is_open_allowed=is_open_allowed)
    try:
        with serving(create_app(context)) as url:
            yield f"{url}{PREFIX}", context
    finally:
        context.close()


def make(engine: sa.Engine, name: str, scope: str = "read", config_ids: list[int] | None = None) -> str:
    with engine.begin() as connection:
        secret, _ = create_token(connection, name, scope, config_ids, None, "test")  # type: ignore[arg-type]
    time.sleep(SOON)
    return secret


def get(url: str, secret: str | None = None, **headers: str) -> requests.Response:
    if secret is not None:
        headers["Authorization"] = f"Bearer {secret}"
    return requests.get(url, headers=headers, timeout=20)


def test_without_any_token_this_machine_is_let_in_and_no_other_name_of_it(filled: sa.Engine) -> None:
    with served(filled) as (url, _):
        assert get(f"{url}/accounts").status_code == 200
        foreign = get(f"{url}/accounts", Host="evil.example")
        assert foreign.status_code == 403
        assert foreign.headers["Content-Type"] == "application/problem+json"
        assert get(url.removesuffix(PREFIX) + "/healthz", Host="evil.example").status_code == 200
    with served(filled, is_open_allowed=False) as (url, _):
        assert get(f"{url}/accounts").status_code == 401


def test_the_host_is_taken_as_it_was_sent(filled: sa.Engine) -> None:
    with served(filled) as (url, _):
        for host in ("localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]", "[::1]:8000"):
            assert get(f"{url}/accounts", Host=host).status_code == 200, host
        # Browsers send braces and quotes in the names of hosts, as DNS can hold them.
        for host in (
            "a{b.evil.example",
            "a}b.evil.example",
            "a`b.evil.example",
            'a"b.evil.example:8000',
            "a_b.evil.example",
            "localhost.evil.example",
            "localhost.",
            "evil.example#@localhost",
            "[::1",
            "testserver",
            "",
        ):
            assert get(f"{url}/accounts", Host=host).status_code == 403, host


def test_the_first_token_closes_the_door_for_good(filled: sa.Engine) -> None:
    with served(filled) as (url, _):
        assert get(f"{url}/accounts").status_code == 200
        secret = make(filled, "dashboard")
        refused = get(f"{url}/accounts")
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert "ml-assets token create" in refused.json()["detail"]
        assert get(f"{url}/accounts", secret).status_code == 200
        for wrong in (f"{secret}x", "mla_", "é", secret.upper()):
            answer = get(f"{url}/accounts", Authorization=f"Bearer {wrong}".encode().decode("latin-1"))
            assert answer.status_code == 401, wrong
        assert get(f"{url}/accounts", Authorization=f"Basic {secret}").status_code == 401
        with filled.begin() as connection:
            revoke_token(connection, "dashboard", "test")
        time.sleep(SOON)
        assert "revoked" in get(f"{url}/accounts", secret).json()["detail"]
        assert get(f"{url}/accounts").status_code == 401


def test_an_expired_token_is_told_so(filled: sa.Engine) -> None:
    secret = make(filled, "bot")
    with filled.begin() as connection:
        connection.execute(
            sa.text("UPDATE api_tokens SET expires_at = :then"),
            {
                "then": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
                if filled.name != "sqlite"
                else "2020-01-01 00:00:00"
            },
        )
    with served(filled) as (url, _):
        answer = get(f"{url}/accounts", secret)
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]


def test_a_token_sees_its_accounts_alone(filled: sa.Engine) -> None:
    secret = make(filled, "clinic", config_ids=[2])
    with served(filled) as (url, _):
        listed = get(f"{url}/classifications?limit=500", secret).json()["items"]
        assert {row["config_id"] for row in listed} == {2}
        assert [row["config_id"] for row in get(f"{url}/accounts", secret).json()["items"]] == [2]
        for path in ("classifications", "incidents", "plan", "pacing", "recommendations/summary"):
            other = get(f"{url}/{path}?config_id=1", secret)
            assert other.status_code == 403, path
            assert "account 1" in other.json()["detail"]
        # What it must not see it is not told the existence of.
        assert get(f"{url}/classifications?config_id=99", secret).status_code == 403


def test_a_token_that_reads_changes_nothing(filled: sa.Engine) -> None:
    reads, writes = make(filled, "reads"), make(filled, "writes", "write")
    with served(filled) as (url, _):
        call = f"{url}/classifications/feedback"
        body = {"config_id": 1, "entity_id": "110", "correct_tier": "LOW"}
        for secret, status in ((reads, 403), (writes, 200)):
            headers = {"Authorization": f"Bearer {secret}"}
            assert requests.post(call, json=body, headers=headers, timeout=20).status_code == status


def test_too_many_requests_are_told_when_to_come_back_and_others_are_not_held_up(filled: sa.Engine) -> None:
    first, second = make(filled, "first"), make(filled, "second")
    with served(filled, limit=0.5) as (url, _):
        answers = [get(f"{url}/accounts", first) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert int(answers[-1].headers["Retry-After"]) in {1, 2}
        assert get(f"{url}/accounts", second).status_code == 200


def test_guessing_is_slowed_down_and_the_others_are_not(filled: sa.Engine) -> None:
    secret = make(filled, "dashboard")
    with served(filled) as (url, context):
        context.tokens.failures = RateLimiter(0.5, 3.0)
        answers = [get(f"{url}/accounts", f"mla_{guess}") for guess in range(5)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
        assert int(answers[-1].headers["Retry-After"]) in {1, 2}
        assert get(f"{url}/accounts", secret).status_code == 200


def test_a_database_that_fails_lets_nobody_in_and_is_asked_again_at_once(filled: sa.Engine) -> None:
    secret = make(filled, "dashboard")
    tokens = TokenCache(filled)
    assert tokens.find(secret) is not None
    time.sleep(SOON)
    with without_tokens(filled):
        for _ in range(2):
            with pytest.raises(SQLAlchemyError):
                tokens.find(secret)
    assert tokens.find(secret) is not None


def last_used(engine: sa.Engine) -> list[dt.datetime | None]:
    with engine.connect() as connection:
        return [token.last_used_at for token in list_tokens(connection)]


@contextmanager
def without_tokens(engine: sa.Engine) -> Iterator[None]:
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE api_tokens RENAME TO tokens_away"))
    yield
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE tokens_away RENAME TO api_tokens"))


def test_when_a_token_was_last_used_is_written_when_the_server_ends(filled: sa.Engine) -> None:
    secret = make(filled, "dashboard")
    with served(filled) as (url, _):
        get(f"{url}/accounts", secret)
        assert last_used(filled) == [None]
    [used] = last_used(filled)
    assert used is not None
    assert dt.datetime.now(dt.UTC) - used < dt.timedelta(minutes=1)


def test_one_use_is_written_though_none_follows(filled: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "TOUCH_SECONDS", SOON)
    secret = make(filled, "dashboard")
    with served(filled) as (url, _):
        get(f"{url}/accounts", secret)
        until = time.monotonic() + 20
        while last_used(filled) == [None] and time.monotonic() < until:
            time.sleep(0.05)
        assert last_used(filled) != [None]


def test_a_use_that_could_not_be_written_is_not_forgotten(filled: sa.Engine) -> None:
    secret = make(filled, "dashboard")
    tokens = TokenCache(filled)
    token = tokens.find(secret)
    assert token is not None
    tokens.used(token)
    with without_tokens(filled):
        tokens.write_used()
    tokens.write_used()
    assert last_used(filled) != [None]


def test_pages_of_other_origins_are_answered_only_where_they_are_named(
    filled: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = {"Origin": "https://dash.example", "Access-Control-Request-Method": "GET"}
    with served(filled) as (url, _):
        closed = requests.options(f"{url}/accounts", headers=asks, timeout=20)
        assert closed.status_code == 405
        assert (
            "Access-Control-Allow-Origin" not in get(f"{url}/accounts", Origin="https://dash.example").headers
        )
    monkeypatch.setenv("ML_ASSETS_API_ORIGINS", "https://dash.example, https://other.example")
    settings.cache_clear()
    with served(filled) as (url, _):
        answer = requests.options(f"{url}/accounts", headers=asks, timeout=20)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://dash.example"
        foreign = requests.options(
            f"{url}/accounts", headers={**asks, "Origin": "https://evil.example"}, timeout=20
        )
        assert "Access-Control-Allow-Origin" not in foreign.headers
