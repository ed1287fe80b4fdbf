"""`ml-assets token`: the secret alone on standard output, so that a shell can take it."""

import json

from ml_assets_tests.cli.conftest import Cli


def test_a_token_is_made_listed_and_revoked(cli: Cli) -> None:
    cli("accounts", "add", "42", "--name", "Clinic")
    made = cli("token", "create", "bot", "--write", "--account", "Clinic", "--expires-in-days", 30)
    assert made.exit_code == 0
    secret = made.out.strip()
    assert secret.startswith("mla_")
    assert "\n" not in secret
    assert "not shown again" in made.err
    assert secret not in made.err
    [listed] = json.loads(cli("token", "list", "--json").out)
    assert (listed["name"], listed["scope"], listed["config_ids"], listed["state"]) == (
        "bot",
        "write",
        [1],
        "active",
    )
    assert "token_hash" not in listed
    shown = cli("token", "list").out
    assert "reads and writes account 1" in shown
    assert secret not in shown
    assert cli("token", "revoke", "bot").exit_code == 0
    assert json.loads(cli("token", "list", "--json").out)[0]["state"] == "revoked"


def test_mistakes_are_sentences(sqlite_cli: Cli) -> None:
    assert "no account" in sqlite_cli("token", "create", "bot", "--account", "Nobody").err.lower()
    refused = sqlite_cli("token", "revoke", "nobody")
    assert refused.exit_code == 2
    assert "token list" in refused.err
    assert "no token" in sqlite_cli("token", "list").err


def test_serve_refuses_other_machines_without_a_token(sqlite_cli: Cli) -> None:
    refused = sqlite_cli("serve", "--host", "0.0.0.0")  # noqa: S104 - that is what is refused
    assert refused.exit_code == 2
    assert "ml-assets token create" in refused.err
