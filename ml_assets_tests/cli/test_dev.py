"""What `ml-assets dev` says before it becomes Dagster; that it serves is tested in defs/test_webserver.py."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from ml_assets.cli.dev import hints
from ml_assets.settings import settings
from ml_assets.storage.engine import create_engine
from ml_assets_tests.cli.conftest import Cli


def said(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = list(hints(connection))
    engine.dispose()
    return found


def test_without_data_it_says_how_to_get_some(
    sqlite_cli: Cli, sqlite_url: str, write_export: Callable[..., Path]
) -> None:
    nobody, switches = said(sqlite_url)
    assert "`make demo`" in nobody
    assert "off until you turn them on" in switches
    sqlite_cli("accounts", "add", "42", "--name", "Clinic")
    assert said(sqlite_url)[0].startswith("No account has figures yet")
    sqlite_cli("ingest", "export", write_export())
    assert said(sqlite_url) == [switches]


def test_it_says_so_where_schedules_run_from_the_start(
    sqlite_cli: Cli, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_cli("accounts", "add", "42", "--name", "Clinic")
    monkeypatch.setenv("ML_ASSETS_SCHEDULES_ON", "true")
    settings.cache_clear()
    assert "run from the start" in said(sqlite_url)[-1]


def test_a_database_without_tables_is_refused_before_anything_starts(
    on_database: Callable[[str], Cli], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    sa.create_engine(url).dispose()
    refused = on_database(url)("dev")
    assert refused.exit_code == 5
    assert "ml-assets db upgrade" in refused.err
