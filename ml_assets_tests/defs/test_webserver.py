"""The way through the UI: a real `dagster dev` over HTTP, launching a backfill with the mutation it sends."""

import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ml_assets.entities import LEVELS
from ml_assets.settings import settings
from ml_assets.storage.engine import create_engine
from ml_assets_tests.defs.conftest import add_synthetic_account

pytestmark = pytest.mark.slow

CHAIN = ("insights", "entity_metrics", "features", "classifications", "recommendations")
TIMEOUT_SECONDS = 300

LAUNCH = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
STATUS = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status numPartitions } }
}
"""


@pytest.fixture
def webserver(
    tmp_path: Path, sqlite_url: str, small_source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """URL of `dagster dev` on a DAGSTER_HOME as the command line makes it."""
    monkeypatch.setenv("ML_ASSETS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings.cache_clear()
    from ml_assets.defs.instance import dagster_home  # noqa: PLC0415 - after the environment is set

    engine = create_engine(sqlite_url)
    add_synthetic_account(engine, small_source)
    engine.dispose()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "ML_ASSETS_DATABASE_URL": sqlite_url, "DAGSTER_HOME": str(dagster_home())}  # noqa: TID251
    log = (tmp_path / "dev.log").open("w", encoding="utf-8")
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "dagster", "dev", "-m", "ml_assets.definitions", "-p", str(port)],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url)
        yield url
    finally:
        # To the parent alone, as Ctrl-C of a supervisor. Dagster's daemon at times waits for its children for
        # minutes; how it ends is not what is tested, but nothing may be left behind.
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        log.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(url: str) -> None:
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=5):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError("the webserver did not come up")


def ask(url: str, query: str, **variables: object) -> dict[str, Any]:
    """The answer to a GraphQL query, as the UI gets it."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(  # noqa: S310
        f"{url}/graphql", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        answer = json.load(response)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def test_days_chosen_in_the_backfill_dialog_are_judged_on_all_levels(
    webserver: str, last_day: dt.date
) -> None:
    keys = [f"{last_day - dt.timedelta(days=back)}|{level}" for back in (0, 1) for level in LEVELS]
    params = {"assetSelection": [{"path": [name]} for name in CHAIN], "partitionNames": keys}
    launched = ask(webserver, LAUNCH, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    until = time.monotonic() + TIMEOUT_SECONDS
    status = "REQUESTED"
    while time.monotonic() < until and status == "REQUESTED":
        time.sleep(1)
        found = ask(webserver, STATUS, id=launched["backfillId"])["partitionBackfillOrError"]
        status = found["status"]
    assert status == "COMPLETED_SUCCESS"
    materialized = ask(
        webserver,
        """query { assetNodes(assetKeys: [{path: ["recommendations"]}]) {
             assetMaterializations(limit: 100) { partition } } }""",
    )["assetNodes"][0]["assetMaterializations"]
    assert {found["partition"] for found in materialized} == set(keys)
