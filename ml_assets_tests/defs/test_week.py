"""A week under the daemon's own code: every tick has one successful run, in the order of the levels."""

import datetime as dt
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ml_assets.defs.jobs import REFRESHED
from ml_assets.entities import LEVELS
from ml_assets.settings import child_environment
from ml_assets.timetable.jobs import jobs
from ml_assets.timetable.ticks import ticks_between
from ml_assets_tests.defs.conftest import add_synthetic_account
from ml_assets_tests.webhook import Webhook, serving

BERLIN = "Europe/Berlin"
START = dt.datetime(2026, 10, 20, 21, 1, tzinfo=dt.UTC)
END = dt.datetime(2026, 10, 27, 21, 0, tzinfo=dt.UTC)
"""Seven days; in the night of the 25th Berlin's clocks go back."""

TIMES = {
    "ingest": "10 */6 * * *",
    **{f"{level}_anomaly_detection": "0 */12 * * *" for level in LEVELS},
}
"""Less often than in life, so that the days pass quickly."""

LATE_HOURS = 12
"""The source delivers a day at 08:00 UTC of the next: hours after the schedules."""

RESTATED = dt.date(2026, 10, 21)
RESTATED_AT = dt.datetime(2026, 10, 26, 13, 0, tzinfo=dt.UTC)
WAIT = "2026-10-23T06:01"
DAYS = 7


def plan(home: Path) -> dict[str, Any]:
    return {
        "home": str(home),
        "start": START.isoformat(),
        "end": END.isoformat(),
        "minutes": 60,
        "restarts": ["2026-10-22T04:30:00+00:00", "2026-10-24T07:30:00+00:00", "2026-10-26T18:30:00+00:00"],
        "happenings": [
            {"at": "2026-10-23T10:00:00+00:00", "what": "break"},
            {"at": "2026-10-23T11:00:00+00:00", "what": "mend"},
            {"at": RESTATED_AT.isoformat(), "what": "restate", "date": RESTATED.isoformat()},
        ],
    }


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with serving() as kept:
        yield kept


@pytest.fixture
def lived(engine: sa.Engine, tmp_path: Path, webhook: Webhook) -> dict[str, Any]:
    """The runs of a week of a small account, and what waited when."""
    source = {"kind": "synthetic", "seed": 3, "campaigns": 2, "adsets": 4, "ads": 8, "days": 60}
    add_synthetic_account(engine, {**source, "end": "2026-10-30"})
    home = tmp_path / "dagster"
    home.mkdir()
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan(home)), encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - this very project
        [sys.executable, "-m", "ml_assets_tests.defs.week", str(path)],
        env=child_environment(
            DAGSTER_HOME=str(home),
            ML_ASSETS_DATABASE_URL=engine.url.render_as_string(hide_password=False),
            ML_ASSETS_DATA_DIR=str(tmp_path),
            ML_ASSETS_TIMEZONE=BERLIN,
            ML_ASSETS_SCHEDULE_TIMES=json.dumps(TIMES),
            ML_ASSETS_LATE_HOURS=str(LATE_HOURS),
            ML_ASSETS_WEBHOOK_URL=webhook.url,
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_every_tick_of_a_week_has_one_successful_run_in_the_order_of_the_levels(
    lived: dict[str, Any], webhook: Webhook
) -> None:
    runs = lived["runs"]
    succeeded = Counter(run["tick"] for run in runs if run["tick"] and run["status"] == "SUCCESS")
    until = END - dt.timedelta(hours=2)
    due = [tick for job in jobs(TIMES) for tick in ticks_between(job, START, until, BERLIN)]
    assert succeeded == Counter(tick.key for tick in due)

    # What failed was tried once more; a failure is never the last word.
    failed = Counter(run["tick"] for run in runs if run["tick"] and run["status"] == "FAILURE")
    assert failed
    assert set(failed.values()) == {1}
    assert {run["status"] for run in runs} == {"SUCCESS", "FAILURE"}

    # An adset after its campaign, a recommendation after the tiers it rests on.
    times = {run["tick"]: (run["began"], run["ended"]) for run in runs if run["status"] == "SUCCESS"}
    dates = sorted(key.split("|")[1] for key in times if key and key.startswith("ad_recommendations"))
    assert len(dates) == DAYS
    scheduled = {tick.key: tick.scheduled.timestamp() for tick in due}
    for date in dates:
        ends = {}
        for level in ("campaign", "adset", "ad"):
            began, ends[level] = times[f"{level}_classification|{date}"]
            assert all(ended <= began for other, ended in ends.items() if other != level)
            assert max(ends.values()) <= times[f"{level}_recommendations|{date}"][0]
        # The adset's run ends after the ad's time, and the ad's waits for it.
        assert ends["adset"] > scheduled[f"ad_classification|{date}"]

    # The source was late: what waits says for what.
    said = next(text for moment, text in lived["reasons"].items() if moment.startswith(WAIT))
    assert "The figures of 2026-10-22 are not there yet of Synthetic account" in said

    # A day restated after five days is made anew with what was made of it, and no other day with it.
    stages = [run for run in runs if run["job"] == "refresh" and run["began"] > RESTATED_AT.timestamp()]
    again = [run for run in stages if run["partition"][0].startswith(str(RESTATED))]
    assert sorted(asset for run in again for asset in run["assets"]) == sorted(REFRESHED)
    levels = {run["assets"][0]: [key.split("|")[1] for key in run["partition"]] for run in again}
    assert levels["forecasts"] == ["campaign", "adset"]  # ads have none on schedule
    assert {key.split("|")[0] for run in again for key in run["partition"]} == {str(RESTATED)}

    # Every day was told of once, from the one before on, and no run that succeeded in the end.
    told = webhook.texts("2026-10-")
    days = [START.date() + dt.timedelta(days=number) for number in range(-1, DAYS)]
    assert [text.split(":")[0] for text in told] == [day.isoformat() for day in days]
    assert len(webhook.received) == len(told)
