from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from ml_assets.storage.engine import create_engine
from ml_assets_tests.cli.conftest import HEADINGS, Cli, export_rows

WriteExport = Callable[..., Path]


def count(table: str) -> int:
    engine = create_engine()
    with engine.connect() as connection:
        rows = connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()
    engine.dispose()
    return rows


def test_the_first_export_makes_its_account_and_says_what_was_assumed(
    cli: Cli, write_export: WriteExport
) -> None:
    loaded = cli("ingest", "export", write_export())
    assert loaded.exit_code == 0, loaded.err
    assert "Account 1 (made from the file): Clinic [BR], BRL." in loaded.out
    assert "Stored: 140 rows new" in loaded.out
    assert "ml-assets accounts set 1 --timezone" in loaded.out
    assert "CONFIG_ID" not in loaded.out
    assert "Clinic [BR]" in cli("accounts", "list").out


def test_a_second_load_changes_nothing_and_says_so(cli: Cli, write_export: WriteExport) -> None:
    path = write_export()
    cli("ingest", "export", path)
    before = count("ads_insights"), count("ads_ads"), count("ads_entity_versions")
    repeated = cli("ingest", "export", path)
    assert repeated.exit_code == 0
    assert "Nothing changed: all 140 rows were there already." in repeated.out
    assert (count("ads_insights"), count("ads_ads"), count("ads_entity_versions")) == before


def test_a_restated_figure_is_added_as_a_version(sqlite_cli: Cli, write_export: WriteExport) -> None:
    rows = export_rows(days=3)
    sqlite_cli("ingest", "export", write_export(rows))
    rows[0][HEADINGS.index("Leads")] = 7
    restated = sqlite_cli("ingest", "export", write_export(rows))
    assert "Stored: 1 rows new or changed, 11 unchanged" in restated.out
    assert count("ads_insights") == 13


def test_rows_that_cannot_be_right_are_shown_with_line_and_reason_and_kept(
    cli: Cli, write_export: WriteExport
) -> None:
    rows = export_rows(days=3)
    rows[1][HEADINGS.index("Amount spent (BRL)")] = "-60.50"
    loaded = cli("ingest", "export", write_export(rows))
    assert loaded.exit_code == 0
    assert "1 rows were set aside" in loaded.out
    assert "3" in loaded.out.split("lines")[1]
    assert count("ads_rejected_rows") == 1
    assert count("ads_insights") == 11
    doctor = cli("doctor")
    assert "1 rows in ads_rejected_rows" in doctor.out


def test_the_time_zone_can_be_said_with_the_first_file(sqlite_cli: Cli, write_export: WriteExport) -> None:
    sqlite_cli("ingest", "export", write_export(), "--timezone", "America/Sao_Paulo")
    assert "America/Sao_Paulo" in sqlite_cli("accounts", "list").out


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", ""),
        (b"name;age\nAnn;3\n", "Day"),
        (
            b"Reporting starts,Reporting ends,Campaign name,Amount spent (BRL)\n2026-03-01,2026-03-31,A,5\n",
            "Day",
        ),
    ],
    ids=["empty", "picture", "other table", "not by day"],
)
def test_a_file_that_is_no_daily_export_is_refused_and_nothing_changes(
    cli: Cli, tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(content)
    refused = cli("ingest", "export", path)
    assert refused.exit_code == 3
    assert refused.err.startswith("Error: ")
    assert complaint in refused.err
    assert [count(table) for table in ("ads_accounts", "ads_insights", "ads_rejected_rows")] == [0, 0, 0]


def test_a_missing_file_is_a_sentence(sqlite_cli: Cli, tmp_path: Path) -> None:
    refused = sqlite_cli("ingest", "export", tmp_path / "nothing.csv")
    assert refused.exit_code == 3
    assert "nothing.csv" in refused.err


def test_a_file_in_another_currency_than_its_account_is_refused(
    sqlite_cli: Cli, write_export: WriteExport
) -> None:
    sqlite_cli("ingest", "export", write_export())
    headings = [heading.replace("BRL", "USD") for heading in HEADINGS]
    refused = sqlite_cli("ingest", "export", write_export(headings=headings))
    assert refused.exit_code == 3
    assert "USD" in refused.err
    assert "BRL" in refused.err
    assert count("ads_insights") == 140


def test_a_file_without_an_account_goes_where_it_is_told(sqlite_cli: Cli, write_export: WriteExport) -> None:
    sqlite_cli("accounts", "add", "77", "--name", "Shop", "--currency", "BRL")
    keep = [index for index, heading in enumerate(HEADINGS) if not heading.startswith("Account")]
    path = write_export(
        [[row[index] for index in keep] for row in export_rows()],
        headings=[HEADINGS[index] for index in keep],
    )
    loaded = sqlite_cli("ingest", "export", path, "--account", "Shop")
    assert "Account 1 (known)" in loaded.out
    assert count("ads_accounts") == 1
