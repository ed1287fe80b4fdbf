import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from ml_assets.errors import DatabaseNotReadyError, UsageError
from ml_assets.storage.engine import create_engine, normalise_url
from ml_assets.storage.schema import downgrade, head_revision, require_head, schema_revision, upgrade


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_spelling_of_a_postgres_url_gets_psycopg_3(scheme: str) -> None:
    url = normalise_url(f"{scheme}://me:p%40ss@host:5433/db?sslmode=require")
    assert url.render_as_string(hide_password=False) == (
        "postgresql+psycopg://me:p%40ss@host:5433/db?sslmode=require"
    )


@pytest.mark.parametrize("url", ["mysql://host/db", "not a url"])
def test_another_database_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(UsageError, match=r"SQLite|sqlite"):
        normalise_url(url)


def test_a_sqlite_file_gets_its_folder_and_pragmas(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'new' / 'folder' / 'a.db'}")
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
    engine.dispose()
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000, "synchronous": 1}


def test_two_transactions_that_read_and_then_write_queue_instead_of_failing(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    ready = threading.Barrier(2)
    failures: list[Exception] = []

    def read_then_write(account_id: str) -> None:
        try:
            with engine.begin() as connection:
                connection.execute(sa.text("SELECT count(*) FROM ads_accounts"))
                ready.wait(5)
                connection.execute(
                    sa.text("INSERT INTO ads_accounts (account_id) VALUES (:id)"), {"id": account_id}
                )
                time.sleep(0.2)
        except Exception as error:  # noqa: BLE001 - the thread's outcome is what is asserted
            failures.append(error)

    threads = [threading.Thread(target=read_then_write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        stored = connection.execute(sa.text("SELECT count(*) FROM ads_accounts")).scalar_one()
    engine.dispose()
    assert (failures, stored) == ([], 2)


def test_a_failed_transaction_leaves_nothing_behind(engine: sa.Engine) -> None:
    def insert_and_fail() -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO ads_accounts (account_id) VALUES ('a')"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        insert_and_fail()
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM ads_accounts")).scalar_one() == 0


def test_a_database_without_tables_or_behind_names_the_command(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url)
    try:
        with pytest.raises(DatabaseNotReadyError, match="no tables yet; run `ml-assets db upgrade`"):
            require_head(engine)
        upgrade(engine)
        require_head(engine)
        downgrade(engine, "-1")
        behind, head = schema_revision(engine), head_revision()
        assert behind != head
        with pytest.raises(
            DatabaseNotReadyError, match=f"is at revision {behind}, not {head}; run `ml-assets db upgrade`"
        ):
            require_head(engine)
    finally:
        engine.dispose()


def test_an_unreachable_database_is_named_without_its_password() -> None:
    engine = create_engine("postgresql://me:secret@127.0.0.1:1/db")
    with pytest.raises(DatabaseNotReadyError, match="cannot be reached") as caught:
        schema_revision(engine)
    assert "secret" not in str(caught.value)
