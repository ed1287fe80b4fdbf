"""`ml-assets notify` against a webhook that is there, one that refuses, and none."""

import json
from collections.abc import Callable, Iterator

import pytest

from ml_assets.settings import settings
from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage.accounts import add_account
from ml_assets.storage.engine import create_engine
from ml_assets_tests.cli.conftest import Cli
from ml_assets_tests.storage.recommendations_made import advice, morning_after, store
from ml_assets_tests.webhook import Webhook, serving


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """The webhook of the settings."""
    with serving() as kept:
        monkeypatch.setenv("ML_ASSETS_WEBHOOK_URL", kept.url)
        settings.cache_clear()
        yield kept


@pytest.fixture
def shop(on_database: Callable[[str], Cli], sqlite_url: str) -> Cli:
    """The command line on two accounts, the first with something to do on Feb 2."""
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        add_account(connection, AccountInfo("111", "Clinic <b>", "BRL"))
        add_account(connection, AccountInfo("222", "Shop", "BRL"))
        store(connection, [1], advice(1, title="Pause ad <1> & go"), now=morning_after(1))
    engine.dispose()
    return on_database(sqlite_url)


def test_the_digest_is_printed_and_nothing_is_sent(shop: Cli, webhook: Webhook) -> None:
    told = shop("notify", "--digest", "--date", "2026-02-02")
    assert told.exit_code == 0, told.err
    assert told.out.startswith(
        "Daily digest: Feb 2, 2026\n\nClinic <b>\nWhat to do:\n• Pause ad <1> & go (96% sure"
    )
    assert "\n\nShop\n" in told.out
    assert "Shop" not in shop("notify", "--digest", "--date", "2026-02-02", "--account", "1").out
    assert webhook.received == []


def test_what_is_sent_is_what_json_prints(shop: Cli, webhook: Webhook) -> None:
    sent = shop("notify", "--digest", "--date", "2026-02-02", "--send", "--json")
    assert sent.exit_code == 0, sent.err
    assert sent.err == "The digest has been sent.\n"
    assert webhook.received == [json.loads(sent.out)]
    assert webhook.received[0]["text"] == "2026-02-02: 1 thing to do, no open incidents, 2 accounts."
    assert "Pause ad &lt;1&gt; &amp; go" in sent.out


def test_a_test_message_needs_no_database_and_says_that_it_arrived(
    on_database: Callable[[str], Cli], webhook: Webhook
) -> None:
    tried = on_database("sqlite:////nowhere/at_all.db")("notify", "--test")
    assert (tried.exit_code, tried.err) == (0, "The test message has arrived.\n")
    assert webhook.received == [{"text": "ml_assets can send notifications here."}]


def test_a_webhook_that_refuses_is_a_sentence_without_its_address(sqlite_cli: Cli, webhook: Webhook) -> None:
    webhook.status = 404
    tried = sqlite_cli("notify", "--test")
    assert tried.exit_code == 1
    assert tried.err.startswith("Error: 127.0.0.1 answered 404 'no_such_hook'")
    assert "secret" not in tried.err
    assert "arrived" not in tried.err


def test_without_an_address_the_setting_is_named(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ML_ASSETS_WEBHOOK_URL", raising=False)
    settings.cache_clear()
    for arguments in (("--test",), ("--digest", "--send")):
        refused = shop("notify", *arguments)
        assert refused.exit_code == 2
        assert "set ML_ASSETS_WEBHOOK_URL" in refused.err
        assert refused.out == ""


def test_calls_that_ask_for_nothing_or_for_both_are_refused(sqlite_cli: Cli) -> None:
    for arguments in ((), ("--test", "--digest"), ("--test", "--date", "2026-02-02")):
        assert sqlite_cli("notify", *arguments).exit_code == 2
    empty = sqlite_cli("notify", "--digest")
    assert empty.exit_code == 5
    assert "There is no account yet" in empty.err
