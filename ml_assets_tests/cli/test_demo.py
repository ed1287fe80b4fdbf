"""From nothing to a report through the real Dagster, and what doctor says before and after."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_assets_tests.cli.conftest import LAST_DAY, Cli


@pytest.mark.slow
def test_the_demo_on_an_export_goes_from_an_empty_database_to_a_report(
    on_database: Callable[[str], Cli], empty_database_url: str, write_export: Callable[..., Path]
) -> None:
    cli = on_database(empty_database_url)
    before = cli("doctor")
    assert before.exit_code == 1
    assert "-> `ml-assets db upgrade`" in before.out

    path = write_export()
    done = cli("demo", "--data", path, "--days", "3")
    assert done.exit_code == 0, done.err
    assert f"Clinic [BR]: Tuesday, {LAST_DAY}" in done.out
    assert re.search(r"^tier +campaigns +adsets +ads", done.out, re.MULTILINE)
    assert "Ad 0 in Adset 0" in done.out
    plan = done.out[done.out.index("What to do") : done.out.index("Tiers (")]
    assert "Pause ad set 'Adset 1'" in plan

    repeated = cli("demo", "--data", path, "--days", "3")
    assert repeated.exit_code == 0, repeated.err
    assert "Nothing changed" in repeated.out
    assert _report_of(repeated.out) == _report_of(done.out)

    only_ads = cli("report", "--level", "ad", "--date", LAST_DAY)
    assert only_ads.exit_code == 0
    assert "campaigns" not in only_ads.out
    other_day = cli("report", "--date", "2026-01-01")
    assert other_day.exit_code == 2
    assert f"to {LAST_DAY}" in other_day.err

    after = cli("doctor")
    assert f"campaign {LAST_DAY}, adset {LAST_DAY}, ad {LAST_DAY}" in after.out
    assert "ml-assets db upgrade" not in after.out


def _report_of(output: str) -> str:
    """The report itself, without what loading and running said."""
    return output[output.index("Clinic [BR]: ") :]


@pytest.mark.slow
def test_the_report_is_plain_text_of_a_hundred_columns_when_piped_and_a_picture_on_request(
    sqlite_cli: Cli, write_export: Callable[..., Path], tmp_path: Path
) -> None:
    sqlite_cli("demo", "--data", write_export(), "--days", "1")
    picture = tmp_path / "report.svg"
    report = sqlite_cli("report", "--svg", picture)
    assert report.exit_code == 0
    assert "\x1b" not in report.out
    assert not re.search(r"[\u2500-\u257f]", report.out)
    assert max(map(len, report.out.splitlines())) <= 100
    assert picture.read_text().startswith("<svg")
    assert "url(http" not in picture.read_text()


def test_a_report_of_nothing_says_what_to_do(sqlite_cli: Cli) -> None:
    nobody = sqlite_cli("report")
    assert nobody.exit_code == 5
    assert "ml-assets ingest export" in nobody.err
    sqlite_cli("accounts", "add", "42", "--name", "Clinic")
    nothing = sqlite_cli("report")
    assert nothing.exit_code == 5
    assert "ml-assets run" in nothing.err


def test_the_demo_on_a_wrong_file_leaves_no_account_behind(sqlite_cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("hello\n")
    refused = sqlite_cli("demo", "--data", path)
    assert refused.exit_code == 3
    assert sqlite_cli("accounts", "list").out.startswith("There is no account yet")


def test_doctor_hides_the_password(on_database: Callable[[str], Cli]) -> None:
    found = on_database("postgresql://someone:secret@127.0.0.1:1/nothing?connect_timeout=2")("doctor")
    assert found.exit_code == 1
    assert "secret" not in found.out
    assert "cannot be reached" in found.out
