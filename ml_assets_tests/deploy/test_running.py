"""deploy/dagster.yaml on a real PostgreSQL, with the processes that compose.yaml starts."""

import datetime as dt
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml

from ml_assets.settings import child_environment
from ml_assets.storage.engine import create_engine
from ml_assets_tests.defs.conftest import Materialize, add_synthetic_account
from ml_assets_tests.defs.test_webserver import LAUNCH, ask
from ml_assets_tests.deploy.test_files import DEPLOY, services

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

BINARIES = Path(sys.executable).parent
PATIENCE_SECONDS = 150


@dataclass(frozen=True)
class Deployment:
    """A DAGSTER_HOME as the image has it, and the environment that compose.yaml gives the services."""

    home: Path
    environment: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            [BINARIES / command[0], *command[1:]],
            env=child_environment(**self.environment),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def deployment(
    new_postgres_database: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Deployment:
    """Two empty databases, one for the product and one for Dagster."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(DEPLOY / name, home)
    product, own = new_postgres_database("template0"), sa.make_url(new_postgres_database("template0"))
    environment = {
        "DAGSTER_HOME": str(home),
        "DAGSTER_COMPUTE_LOGS": str(tmp_path / "logs"),
        "DAGSTER_PG_USERNAME": own.username or "postgres",
        "DAGSTER_PG_PASSWORD": str(own.password or ""),
        "DAGSTER_PG_HOST": own.host or "",
        "DAGSTER_PG_PORT": str(own.port or 5432),
        "DAGSTER_PG_DATABASE": str(own.database),
        "PGHOST": str(own.query.get("host", "")),  # the server of the tests listens on a socket
        "ML_ASSETS_DATABASE_URL": product,
        "ML_ASSETS_DATA_DIR": str(tmp_path / "data"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Deployment(home, environment)


def migrate(deployment: Deployment) -> None:
    """What the service `migrate` does."""
    kind, _, line = services()["migrate"]["command"]
    assert kind == "sh"
    for command in line.split("&&"):
        done = deployment.run(*command.split())
        assert done.returncode == 0, done.stdout + done.stderr


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def started(deployment: Deployment, log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A service as a process of its own, asked to end as Docker asks it."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            [BINARIES / command[0], *command[1:]],
            env=child_environment(**deployment.environment),
            cwd=deployment.home,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=10)


def wait_until(healthy: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not healthy():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < until, log.read_text()[-3000:]
        time.sleep(1)


def test_a_day_is_materialized_on_the_instance_of_the_deployment(
    deployment: Deployment, small_source: dict[str, Any], last_day: dt.date
) -> None:
    migrate(deployment)
    migrate(deployment)
    engine = create_engine(deployment.environment["ML_ASSETS_DATABASE_URL"])
    add_synthetic_account(engine, small_source)
    engine.dispose()
    with dg.DagsterInstance.from_config(str(deployment.home)) as instance:
        assert instance.run_retries_enabled
        assert instance.run_monitoring_enabled
        materialize = Materialize(instance, deployment.environment["ML_ASSETS_DATABASE_URL"])
        result = materialize(["insights", "entity_metrics"], last_day)
        assert result.success
        assert instance.get_materialized_partitions(dg.AssetKey("entity_metrics")) == {
            f"{last_day}|{level}" for level in ("campaign", "adset", "ad")
        }
    printed = deployment.run("dagster", "instance", "info")
    assert "PostgresEventLogStorage" in printed.stdout or "postgres" in printed.stdout


def test_the_processes_of_the_deployment_are_well_and_run_what_the_ui_asks_for(
    deployment: Deployment, tmp_path: Path, small_source: dict[str, Any], last_day: dt.date
) -> None:
    migrate(deployment)
    engine = create_engine(deployment.environment["ML_ASSETS_DATABASE_URL"])
    add_synthetic_account(engine, small_source)
    engine.dispose()
    code, web = free_port(), free_port()
    (deployment.home / "workspace.yaml").write_text(
        yaml.safe_dump(
            {
                "load_from": [
                    {"grpc_server": {"host": "127.0.0.1", "port": code, "location_name": "ml_assets"}}
                ]
            }
        )
    )
    workspace = str(deployment.home / "workspace.yaml")

    def command(name: str) -> list[str]:
        local = {"0.0.0.0": "127.0.0.1", "4000": str(code), "3000": str(web)}  # noqa: S104
        given = [local.get(str(word), str(word)) for word in services()[name]["command"]]
        return [workspace if word.endswith("workspace.yaml") else word for word in given]

    def check(name: str) -> bool:
        _, *words = services()[name]["healthcheck"]["test"]
        ported = [word.replace("4000", str(code)).replace("3000", str(web)) for word in words]
        return deployment.run(*ported).returncode == 0

    with ExitStack() as running:
        for name in ("code-server", "webserver", "daemon"):
            log = tmp_path / f"{name}.log"
            process = running.enter_context(started(deployment, log, *command(name)))
            wait_until(lambda name=name: check(name), process, log)
        url = f"http://127.0.0.1:{web}"
        key = f"{last_day}|campaign"
        asked = {"assetSelection": [{"path": ["insights"]}], "partitionNames": [key]}
        launched = ask(url, LAUNCH, params=asked)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        with dg.DagsterInstance.from_config(str(deployment.home)) as instance:
            wait_until(
                lambda: key in instance.get_materialized_partitions(dg.AssetKey("insights")), process, log
            )
            assert set(instance.get_daemon_heartbeats()) >= set(instance.get_required_daemon_types())
        doctor = deployment.run("ml-assets", "doctor")
        assert re.search(r"^ok +daemon +seen", doctor.stdout, re.MULTILINE), doctor.stdout + doctor.stderr
        assert f"campaign {last_day}" in doctor.stdout
    assert list((tmp_path / "logs").rglob("*.err")), "what the run printed is where the webserver looks"
