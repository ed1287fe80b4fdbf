"""From a new database to a dismissed recommendation: the demo, then the API over HTTP.

On SQLite beside the UI (`ml-assets dev`), on PostgreSQL alone (`ml-assets serve`), with a Dagster of its own.
"""

import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from ml_assets.defs.webserver import Webserver
from ml_assets.storage.engine import create_engine

pytestmark = pytest.mark.slow

START_SECONDS = 180
PREFIX = "/api/v1/ml"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Running:
    """The API on the demo account, and the UI where there is one."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.url = database_url
        self.has_ui = database_url.startswith("sqlite")
        self.ui, self.api = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("ML_ASSETS_")},  # noqa: TID251
            "ML_ASSETS_DATABASE_URL": database_url,
            "ML_ASSETS_DATA_DIR": str(folder),
        }
        self.environment.pop("DAGSTER_HOME", None)
        self.log = folder / "dev.log"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "ml_assets.cli", *arguments]

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = requests.get(f"{self.api}{PREFIX}{path}", params=query, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, key: str | None = None, wait: int = 0, **body: Any) -> requests.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        query = {"wait": wait} if wait else {}
        return requests.post(
            f"{self.api}{PREFIX}{path}", params=query, json=body, headers=headers, timeout=wait + 120
        )


@pytest.fixture
def running(database_url: str, tmp_path: Path) -> Iterator[Running]:
    made = Running(database_url, tmp_path)
    subprocess.run(made.command("demo", "--days", "2"), env=made.environment, check=True, timeout=400)  # noqa: S603
    port, api_port = (url.rsplit(":", 1)[1] for url in (made.ui, made.api))
    started = (
        ["dev", f"--port={port}", f"--api-port={api_port}"]
        if made.has_ui
        else ["serve", f"--port={api_port}"]
    )
    with made.log.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603
            made.command(*started),
            env=made.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=tmp_path,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + START_SECONDS
        for url in (f"{made.ui}/server_info",) * made.has_ui + (f"{made.api}/readyz",):
            while True:
                with suppress(requests.RequestException):
                    if requests.get(url, timeout=5).status_code == 200:
                        break
                assert time.monotonic() < until, made.log.read_text()[-3000:]
                time.sleep(0.5)
        yield made
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_what_is_dismissed_stays_so_when_it_is_generated_again(running: Running) -> None:
    account = running.get("/accounts")["items"][0]["config_id"]
    done = running.post("/recommendations/generate", wait=120, config_id=account, entity_type="ad")
    assert done.status_code == 200, done.text
    assert (done.json()["status"], done.json()["kind"]) == ("SUCCESS", "run")
    listed = requests.get(f"{running.api}{done.json()['results_url']}", timeout=60).json()
    assert listed["items"]
    assert done.json()["result"]["items"] == listed["items"]
    first = next(row for row in listed["items"] if row["status"] == "active")
    said = running.post(f"/recommendations/{first['id']}/dismiss", who="Ana", reason="planned otherwise")
    assert said.status_code == 200, said.text
    again = running.post(
        "/recommendations/generate", wait=120, config_id=account, entity_type="ad", force_refresh=True
    )
    assert again.json()["status"] == "SUCCESS", again.text
    assert again.json()["id"] != done.json()["id"]
    after = running.get(
        "/recommendations", config_id=account, entity_type="ad", entity_id=first["entity_id"], limit=500
    )
    row = next(row for row in after["items"] if row["recommendation_type"] == first["recommendation_type"])
    assert (row["status"], row["dismissed_by"], row["dismissed_reason"]) == (
        "dismissed",
        "Ana",
        "planned otherwise",
    )
    assert row["id"] == first["id"]
    assert after["data_as_of"].endswith("Z")
    engine = create_engine(running.url)
    with engine.connect() as connection:
        logged = connection.execute(sa.text("SELECT actor, action FROM ml_audit_log ORDER BY at")).all()
    engine.dispose()
    assert [tuple(row) for row in logged] == [
        ("anonymous", "run.launch"),
        ("Ana", "recommendation.dismiss"),
        ("anonymous", "run.launch"),
    ]
    _the_same_at_once_runs_once(running, account)
    _a_key_names_one_request(running, account)
    _several_days_are_a_backfill(running, account)
    _what_cannot_be_made_is_told(running, account)
    if running.has_ui:
        _a_run_that_fails_says_why(running)


def _the_same_at_once_runs_once(running: Running, account: int) -> None:
    def ask(_: int) -> requests.Response:
        return running.post("/anomalies/detect", config_id=account)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert [answer.status_code for answer in answers] == [202] * 6, [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert {answer.headers["Location"] for answer in answers} == {f"{PREFIX}/runs/{answers[0].json()['id']}"}


def _a_key_names_one_request(running: Running, account: int) -> None:
    entity = running.get("/classifications", config_id=account)["items"][0]["entity_id"]
    first = running.post("/classifications/classify", "k1", 120, config_id=account, entity_ids=[entity])
    assert first.json()["status"] == "SUCCESS", first.text
    again = running.post("/classifications/classify", "k1", 120, config_id=account, entity_ids=[entity])
    assert again.json()["id"] == first.json()["id"]
    other = running.post("/classifications/classify", "k1", config_id=account)
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json()["detail"]


def _several_days_are_a_backfill(running: Running, account: int) -> None:
    """The day before the demo's two lacks everything but its figures, which is made first."""
    answer = running.post(
        "/classifications/classify", wait=120, config_id=account, entity_type="adset", days=3
    )
    assert answer.status_code == 200, answer.text
    assert (answer.json()["kind"], answer.json()["status"]) == ("backfill", "SUCCESS")
    assert answer.json()["run_ids"]
    oldest = running.get(answer.json()["results_url"].removeprefix(PREFIX))
    assert oldest["items"]


def _what_cannot_be_made_is_told(running: Running, account: int) -> None:
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).date().isoformat()
    launched = len(_launches(running))
    for body, status, said in (
        ({"date": tomorrow}, 422, "is not over yet"),
        ({"date": "2001-01-01"}, 422, "ML_ASSETS_START_DATE"),
        ({"entity_ids": ["1"]}, 404, "There is no campaign 1"),
        ({"config_id": 99}, 404, "There is no account 99"),
        ({"days": 0}, 422, "body.days"),
    ):
        answer = running.post("/classifications/classify", **{"config_id": account, **body})
        assert answer.status_code == status, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert said in answer.json()["detail"]
    assert len(_launches(running)) == launched


def _launches(running: Running) -> list[str]:
    engine = create_engine(running.url)
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT id FROM api_launches")).scalars().all()
    engine.dispose()
    return list(found)


def _a_run_that_fails_says_why(running: Running) -> None:
    day = running.get("/classifications")["items"][0]["classification_date"]
    config = {"ops": {"anomalies": {"config": {"config_ids": [99]}}}}
    tags = {
        "dagster/partition": f"{day}|campaign",
        "dagster/partition/date": day,
        "dagster/partition/entity_type": "campaign",
    }
    run_id = Webserver(running.ui).launch_run(["anomalies"], tags, config)
    until = time.monotonic() + 120
    while (state := running.get(f"/runs/{run_id}"))["status"] in {"QUEUED", "STARTED"}:
        assert time.monotonic() < until
        time.sleep(1)
    assert state["status"] == "FAILURE"
    assert "no active account with config_id 99" in state["failure"]
    missing = requests.get(f"{running.api}{PREFIX}/runs/unknown1", timeout=30)
    assert missing.status_code == 404
