import pytest

from ml_assets_tests.cli.conftest import Cli


def test_an_account_is_added_changed_and_listed(cli: Cli) -> None:
    assert cli("accounts", "list").out.startswith("There is no account yet")

    added = cli("accounts", "add", "act_42", "--name", "Clinic", "--currency", "brl", "--target-cpl", "42.5")
    assert (added.exit_code, added.out) == (0, "Account 1 added: Clinic.\n")

    changed = cli("accounts", "set", "clinic", "--timezone", "America/Sao_Paulo", "--target-cpl", "none")
    assert changed.exit_code == 0

    listed = cli("accounts", "list").out.splitlines()[1]
    assert listed.split() == ["1", "42", "Clinic", "BRL", "America/Sao_Paulo", "default", "yes"]


def test_lead_actions_are_a_list_separated_by_commas(sqlite_cli: Cli) -> None:
    sqlite_cli("accounts", "add", "42", "--conversion-actions", "lead, purchase")
    assert "lead, purchase" in sqlite_cli("accounts", "list").out
    sqlite_cli("accounts", "set", "42", "--conversion-actions", "none")
    assert "default" in sqlite_cli("accounts", "list").out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--timezone", "Mars/Olympus"), "Mars/Olympus"),
        (("--currency", "reais"), "reais"),
        (("--target-cpl", "-3"), "-3"),
        (("--target-cpl", "cheap"), "cheap"),
        ((), "Nothing to change"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused_and_nothing_changes(
    sqlite_cli: Cli, options: tuple[str, ...], complaint: str
) -> None:
    sqlite_cli("accounts", "add", "42", "--currency", "BRL")
    before = sqlite_cli("accounts", "list").out
    refused = (
        sqlite_cli("accounts", "set", "1", "--name", "New", *options)
        if options
        else sqlite_cli("accounts", "set", "1")
    )
    assert refused.exit_code == 2
    assert complaint in refused.err
    assert sqlite_cli("accounts", "list").out == before


def test_an_account_that_is_refused_is_not_half_added(sqlite_cli: Cli) -> None:
    refused = sqlite_cli("accounts", "add", "42", "--timezone", "Nowhere")
    assert refused.exit_code == 2
    assert sqlite_cli("accounts", "list").out.startswith("There is no account yet")


def test_an_unknown_account_is_answered_with_those_there_are(sqlite_cli: Cli) -> None:
    sqlite_cli("accounts", "add", "42", "--name", "Clinic")
    refused = sqlite_cli("accounts", "set", "Klinik", "--inactive")
    assert refused.exit_code == 2
    assert "1 (Clinic)" in refused.err
