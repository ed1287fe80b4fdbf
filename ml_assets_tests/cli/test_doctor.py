"""What doctor says beside the Dagster instance."""

import datetime as dt

import pytest

from ml_assets.notices.message import Notice, NoticeKind
from ml_assets.settings import settings
from ml_assets.storage.engine import create_engine
from ml_assets.storage.notices import add_notices, claim_due, mark_failed
from ml_assets_tests.cli.conftest import Cli


def test_notices_that_do_not_arrive_are_told_with_the_reason_and_what_to_do(
    cli: Cli, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "ML_ASSETS_WEBHOOK_URL is not set" in " ".join(cli("doctor").out.split())
    monkeypatch.setenv("ML_ASSETS_WEBHOOK_URL", "http://127.0.0.1:9/secret")
    settings.cache_clear()
    assert "within a week has arrived" in " ".join(cli("doctor").out.split())
    now = dt.datetime.now(dt.UTC)
    engine = create_engine(database_url)
    with engine.begin() as connection:
        add_notices(connection, [Notice("a", NoticeKind.TEST, "Something")], now)
        (claimed,) = claim_due(connection, now, 1)
        mark_failed(connection, claimed.id, "hooks.example answered 404.", None)
    engine.dispose()
    told = " ".join(cli("doctor").out.split())
    assert "1 wait to be taken, 0 were given up within a week: hooks.example answered 404." in told
    assert "notify --test" in told
    assert "secret" not in told
