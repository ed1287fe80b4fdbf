"""The whole OpenAPI description, called by a machine that means no good (schemathesis), token or not.

Runs that it asks for are really launched, through a real webserver, and wait in the queue: no daemon runs.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from ml_assets.api.app import create_app
from ml_assets.api.callers import TokenCache
from ml_assets.api.context import Context
from ml_assets.api.rate_limit import RateLimiter
from ml_assets.defs.instance import dagster_home, open_instance
from ml_assets.defs.launching import Launcher
from ml_assets.settings import settings
from ml_assets.storage.tables import Base
from ml_assets.storage.tokens import create_token
from ml_assets_tests.api.serving import serving
from ml_assets_tests.api.test_end_to_end import free_port

pytestmark = pytest.mark.slow

START_SECONDS = 120

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "allow_header_conformance",
    "unsupported_method",
    "negative_data_rejection",
    "missing_required_header",
    "ignored_auth",
)

CONFIG = '[parameters]\n"query.wait" = 0\n'
"""Nothing that is asked for ends: to wait for it would only take long."""


@pytest.fixture
def webserver(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a Dagster webserver over the definitions, without a daemon."""
    monkeypatch.setenv("ML_ASSETS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ML_ASSETS_DATABASE_URL", database_url)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings.cache_clear()
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "dagster_webserver", "-m", "ml_assets.definitions"]
    with (tmp_path / "webserver.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603
            [*command, "-h", "127.0.0.1", "-p", url.rsplit(":", 1)[1]],
            env={**os.environ, "DAGSTER_HOME": str(dagster_home())},  # noqa: TID251
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=tmp_path,
        )
    try:
        until = time.monotonic() + START_SECONDS
        while True:
            with suppress(requests.RequestException):
                if requests.get(f"{url}/server_info", timeout=5).ok:
                    break
            assert time.monotonic() < until, (tmp_path / "webserver.log").read_text()[-2000:]
            time.sleep(0.3)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def served(engine: sa.Engine, webserver: str) -> Iterator[str]:
    with open_instance() as instance:
        launcher = Launcher(instance, lambda: webserver)
        tokens, limiter = TokenCache(engine), RateLimiter(0.0, 0.0)
        tokens.failures = RateLimiter(0.0, 0.0)
        context = Context(engine, tokens, limiter, is_open_allowed=True, launcher=launcher)
        try:
            with serving(create_app(context)) as url:
                yield url
        finally:
            context.close()


def schemathesis(url: str, folder: Path, *further: str) -> str:
    """What it prints; it has to find nothing."""
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG, encoding="utf-8")
    done = subprocess.run(  # noqa: S603
        [
            Path(sys.executable).with_name("schemathesis"), "--config-file", config,
            "run", f"{url}/openapi.json",
            "--checks", ",".join(CHECKS), "--seed", "7", "--request-timeout", "60", "--no-color",
            "--max-examples", "8", *further,
        ],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def contents(engine: sa.Engine) -> dict[str, int]:
    """Rows of each table."""
    with engine.connect() as connection:
        return {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in Base.metadata.sorted_tables
        }


def test_whatever_is_sent_is_answered_as_described_and_is_nothing_but_a_parameter(
    filled: sa.Engine, webserver: str, tmp_path: Path
) -> None:
    before = contents(filled)
    with served(filled, webserver) as url:
        schemathesis(url, tmp_path)
        with filled.begin() as connection:
            secret, _ = create_token(connection, "fuzz", "write", [1], None, "test")
        time.sleep(6)  # until the token is known
        schemathesis(url, tmp_path, "-H", f"Authorization: Bearer {secret}")
        refused = requests.get(f"{url}/api/v1/ml/accounts", timeout=10)
        assert refused.status_code == 401
        with filled.begin() as connection:
            other, _ = create_token(connection, "other", "read", [2], None, "test")
            asked = sa.text("SELECT run_id FROM api_launches WHERE config_id = 1 AND run_id IS NOT NULL")
            run_id = connection.execute(asked).scalars().first()
        time.sleep(6)
        for token, status in ((secret, 200), (other, 404)):
            headers = {"Authorization": f"Bearer {token}"}
            told = requests.get(f"{url}/api/v1/ml/runs/{run_id}", headers=headers, timeout=10)
            assert told.status_code == status, told.text
    # It has found its way to launches, deeds and feedback, and to no other table.
    after = contents(filled)
    changed = {name for name, count in after.items() if count != before[name]}
    assert changed <= {"api_launches", "api_tokens", "ml_audit_log", "ml_classification_feedback"}
    assert "api_launches" in changed
