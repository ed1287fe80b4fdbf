from collections.abc import Callable

from ml_assets_tests.cli.conftest import Cli


def test_upgrade_makes_the_tables_and_can_be_repeated(
    on_database: Callable[[str], Cli], empty_database_url: str
) -> None:
    cli = on_database(empty_database_url)
    assert "revision none" in cli("db", "current").out
    assert cli("db", "upgrade").exit_code == 0
    assert "(newest)" in cli("db", "current").out
    repeated = cli("db", "upgrade")
    assert repeated.exit_code == 0
    assert "already" in repeated.out


def test_downgrade_asks_first_and_does_nothing_without_a_yes(sqlite_cli: Cli) -> None:
    declined = sqlite_cli("db", "downgrade", "0001", stdin="n\n")
    assert declined.exit_code == 1
    assert "(newest)" in sqlite_cli("db", "current").out
    assert sqlite_cli("db", "downgrade", "0001", "--yes").exit_code == 0
    assert "run `ml-assets db upgrade`" in sqlite_cli("db", "current").out


def test_an_unknown_revision_is_a_sentence(sqlite_cli: Cli) -> None:
    refused = sqlite_cli("db", "upgrade", "nonsense")
    assert refused.exit_code == 2
    assert "nonsense" in refused.err
    assert "Traceback" not in refused.err


def test_commands_on_a_database_without_tables_name_the_command_to_run(
    on_database: Callable[[str], Cli], empty_database_url: str
) -> None:
    cli = on_database(empty_database_url)
    for arguments in (
        ("accounts", "list"),
        ("report",),
        ("run", "--from", "2026-03-01", "--to", "2026-03-02"),
        ("ingest", "export", "no-such-file.csv"),
    ):
        refused = cli(*arguments)
        assert refused.exit_code == 5, arguments
        assert "ml-assets db upgrade" in refused.err


def test_an_unreachable_database_is_a_sentence_without_its_password(
    on_database: Callable[[str], Cli],
) -> None:
    cli = on_database("postgresql://someone:secret@127.0.0.1:1/nothing?connect_timeout=2")
    for arguments in (("db", "upgrade"), ("db", "current"), ("accounts", "list"), ("report",), ("demo",)):
        refused = cli(*arguments)
        assert refused.exit_code == 5, arguments
        assert "ML_ASSETS_DATABASE_URL" in refused.err
        assert "secret" not in refused.err + refused.out


def test_a_url_of_another_database_is_refused(on_database: Callable[[str], Cli]) -> None:
    refused = on_database("mysql://host/database")("db", "upgrade")
    assert refused.exit_code == 2
    assert "mysql" in refused.err


def test_thinning_counts_first_and_then_removes(cli: Cli) -> None:
    counted = cli("db", "thin", "--dry-run", "--all-days")
    assert counted.exit_code == 0, counted.err
    assert "0 hourly versions would be removed, of all days" in counted.out
    assert "0 hourly versions removed, of 28 days" in cli("db", "thin").out
    unknown = cli("db", "thin", "--account", "nobody")
    assert unknown.exit_code != 0
    assert "Traceback" not in unknown.err
