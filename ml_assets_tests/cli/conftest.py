"""The command line on a database of its own."""

import csv
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml_assets.cli.app import app
from ml_assets.settings import settings

Cli = Callable[..., "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What a command printed and returned."""

    exit_code: int
    out: str
    err: str


@pytest.fixture
def on_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Cli]:
    """A command line whose settings name the given database."""

    def make(url: str) -> Cli:
        monkeypatch.setenv("ML_ASSETS_DATABASE_URL", url)
        monkeypatch.setenv("ML_ASSETS_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.delenv("DAGSTER_HOME", raising=False)
        settings.cache_clear()

        def run(*arguments: object, stdin: str | None = None) -> Outcome:
            result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            return Outcome(result.exit_code, result.stdout, result.stderr)

        return run

    return make


@pytest.fixture
def cli(on_database: Callable[[str], Cli], database_url: str) -> Cli:
    """The command line on a database at the head migration, once per kind of database."""
    return on_database(database_url)


@pytest.fixture
def sqlite_cli(on_database: Callable[[str], Cli], sqlite_url: str) -> Cli:
    """The command line on SQLite, for what does not depend on the kind of database."""
    return on_database(sqlite_url)


HEADINGS = (
    "Day", "Account name", "Account ID", "Campaign name", "Campaign ID", "Ad set name", "Ad set ID",
    "Ad name", "Ad ID", "Amount spent (BRL)", "Impressions", "Reach", "Clicks (all)", "Link clicks", "Leads",
    "Result indicator", "Results",
)  # fmt: skip

LAST_DAY = dt.date(2026, 3, 31)


def export_rows(days: int = 35, last: dt.date = LAST_DAY) -> list[list[object]]:
    """Four ads of two adsets of one campaign: the first is cheap, the last brings no lead."""
    rows: list[list[object]] = []
    for offset in range(days):
        day = last - dt.timedelta(days=days - 1 - offset)
        for ad, leads in enumerate((6, 3, 2, 0)):
            rows.append(
                [
                    day.isoformat(), "Clinic [BR]", "1234567890", "Leads [cold]", "120000000000000001",
                    f"Adset {ad // 2}", f"12000000000000001{ad // 2}", f"Ad {ad}", f"12000000000000002{ad}",
                    "60.50", 2000 + ad, 1500, 40, 25, leads, "actions:lead", leads,
                ]
            )  # fmt: skip
    return rows


@pytest.fixture
def write_export(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows under the headings of an export and returns the file."""

    def write(
        rows: Sequence[Sequence[object]] | None = None,
        name: str = "export.csv",
        headings: Sequence[str] = HEADINGS,
    ) -> Path:
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.writer(file)
            writer.writerow(headings)
            writer.writerows(export_rows() if rows is None else rows)
        return path

    return write
