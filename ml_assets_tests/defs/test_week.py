"""Days under the daemon's own code: every tick has one successful run, in the order of the levels."""

import datetime as dt
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ml_assets.entities import LEVELS
from ml_assets.settings import child_environment
from ml_assets.timetable.jobs import jobs
from ml_assets.timetable.ticks import ticks_between
from ml_assets_tests.defs.conftest import add_synthetic_account

BERLIN = "Europe/Berlin"
START = dt.datetime(2026, 10, 24, 21, 1, tzinfo=dt.UTC)
"""Before the night in which Berlin's clocks go back."""

END = dt.datetime(2026, 10, 26, 17, 0, tzinfo=dt.UTC)
TIMES = {
    "ingest": "10 */3 * * *",
    **{f"{level}_anomaly_detection": "0 */8 * * *" for level in LEVELS},
}
"""Less often than in life, so that the days pass quickly."""

LATE_HOURS = 12
"""The source delivers a day at 08:00 UTC of the next: hours after the schedules."""

RESTATED = dt.date(2026, 10, 24)
WAIT = "2026-10-25T05:01"


def plan(home: Path) -> dict[str, Any]:
    return {
        "home": str(home),
        "start": START.isoformat(),
        "end": END.isoformat(),
        "minutes": 60,
        "restarts": ["2026-10-25T04:30:00+00:00", "2026-10-26T07:30:00+00:00"],
        "happenings": [
            {"at": "2026-10-26T09:00:00+00:00", "what": "break"},
            {"at": "2026-10-26T10:00:00+00:00", "what": "mend"},
            {"at": "2026-10-26T13:00:00+00:00", "what": "restate", "date": RESTATED.isoformat()},
        ],
    }


@pytest.fixture
def lived(engine: sa.Engine, tmp_path: Path) -> dict[str, Any]:
    """The runs of two days of a small account, and what waited when."""
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
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_every_tick_of_two_days_has_one_successful_run_in_the_order_of_the_levels(
    lived: dict[str, Any],
) -> None:
    runs = lived["runs"]
    succeeded = Counter(run["tick"] for run in runs if run["tick"] and run["status"] == "SUCCESS")
    due = [
        tick.key
        for job in jobs(TIMES)
        for tick in ticks_between(job, START, END - dt.timedelta(hours=2), BERLIN)
    ]
    assert succeeded == Counter(due)

    # What failed was tried once more; a failure is never the last word.
    failed = Counter(run["tick"] for run in runs if run["tick"] and run["status"] == "FAILURE")
    assert failed
    assert set(failed.values()) == {1}
    assert {run["status"] for run in runs} == {"SUCCESS", "FAILURE"}

    # An adset after its campaign, a recommendation after the tiers it rests on.
    times = {run["tick"]: (run["began"], run["ended"]) for run in runs if run["status"] == "SUCCESS"}
    for date in ("2026-10-24", "2026-10-25"):
        ends = {}
        for level in ("campaign", "adset", "ad"):
            began, ends[level] = times[f"{level}_classification|{date}"]
            assert all(ended <= began for other, ended in ends.items() if other != level)
            assert max(ends.values()) <= times[f"{level}_recommendations|{date}"][0]

    # The source was late: what waits says for what.
    said = next(text for moment, text in lived["reasons"].items() if moment.startswith(WAIT))
    assert "The figures of 2026-10-24 are not there yet of Synthetic account" in said

    # A restated day is made anew with what was made of it, and no other day with it.
    last = [run for run in runs if run["job"] == "refresh"][-1]
    assert last["partition"] == [f"{RESTATED}|campaign", f"{RESTATED}|ad"]
    assert {"entity_metrics", "classifications", "recommendations"} <= set(last["assets"])
