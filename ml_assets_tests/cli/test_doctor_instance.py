"""What doctor says of a real Dagster instance: nothing running, something failing, everything well."""

# ruff: noqa: TID251 - what only daemons and servers write is written here as they write it

import datetime as dt
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from ml_assets.cli.doctor_instance import DAEMON_SILENT, LONG_RUN, first_line, in_words, instance_findings
from ml_assets.cli.finding import Finding
from ml_assets.defs.instance import DEFAULT_CONFIG
from ml_assets.defs.keys import partition_key
from ml_assets.defs.partitions import partitions
from ml_assets.entities import EntityType
from ml_assets_tests.cli.conftest import Cli

NOW = dt.datetime.now(dt.UTC)
YESTERDAY = NOW.date() - dt.timedelta(days=1)
SCHEDULE = "retention_schedule"
REPOSITORY = RemoteRepositoryOrigin(
    ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name="ml_assets.definitions"), "ml_assets"
    ),
    "__repository__",
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copyfile(DEFAULT_CONFIG, folder / "dagster.yaml")
    return folder


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def found(instance: dg.DagsterInstance, topic: str, now: dt.datetime = NOW) -> list[Finding]:
    return [finding for finding in instance_findings(instance, now) if finding.topic.strip() == topic]


def beat(instance: dg.DagsterInstance, ago: dt.timedelta, *, without: str = "", error: str = "") -> None:
    for kind in instance.get_required_daemon_types():
        if kind != without:
            errors = (
                [SerializableErrorInfo(f"RuntimeError: {error}\n", [], "RuntimeError")] if error else None
            )
            instance.add_daemon_heartbeat(DaemonHeartbeat((NOW - ago).timestamp(), kind, "one", errors))


def turn_on(instance: dg.DagsterInstance) -> InstigatorState:
    """What the UI's switch writes."""
    origin = RemoteInstigatorOrigin(REPOSITORY, SCHEDULE)
    data = ScheduleInstigatorData("30 2 * * 0", NOW.timestamp())
    return instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, data)
    )


@dg.asset(name="features", partitions_def=partitions)
def sometimes(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    if context.run.tags.get("broken"):
        raise dg.Failure(description="The account has no time zone: set it.\nAnd more of it.")
    return dg.MaterializeResult()


def run(
    instance: dg.DagsterInstance, day: dt.date = YESTERDAY, *, broken: bool = False
) -> dg.ExecuteInProcessResult:
    job = dg.Definitions(assets=[sometimes]).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        partition_key=partition_key(day, EntityType.AD),
        asset_selection=[sometimes.key],
        tags={"broken": "yes"} if broken else {},
        raise_on_error=False,
    )


def test_a_new_instance_has_nothing_to_do_and_says_that_nothing_runs_by_itself(
    instance: dg.DagsterInstance,
) -> None:
    findings = list(instance_findings(instance, NOW))
    assert [finding.todo for finding in findings if finding.todo] == []
    [switches] = found(instance, "schedules")
    assert "are off: nothing runs by itself" in switches.found
    [daemon] = found(instance, "daemon")
    assert daemon.found == "none has run here yet"
    [features] = found(instance, "features")
    assert features.found == "campaign none, adset none, ad none"


def test_a_schedule_that_is_on_needs_a_daemon_that_was_seen_lately(instance: dg.DagsterInstance) -> None:
    turn_on(instance)
    assert "start one, and only one" in found(instance, "daemon")[0].todo
    beat(instance, 2 * DAEMON_SILENT)
    [gone] = found(instance, "daemon")
    assert "not seen for 10 min" in gone.found
    assert gone.todo
    beat(instance, dt.timedelta(seconds=20))
    [well] = found(instance, "daemon")
    assert (well.found, well.todo) == ("seen 20 s ago", "")
    assert "schedules and sensors that are on: 1" in found(instance, "schedules")[0].found


def test_a_part_of_the_daemon_that_is_silent_or_reports_an_error_is_named(
    instance: dg.DagsterInstance,
) -> None:
    beat(instance, 3 * DAEMON_SILENT)
    beat(instance, dt.timedelta(0), without="SENSOR")
    [part] = found(instance, "daemon")
    assert "silent on SENSOR" in part.found
    beat(instance, dt.timedelta(0), error="the code server is gone")
    assert "reports an error: the code server is gone" in found(instance, "daemon")[0].found


def test_a_tick_that_failed_is_told_with_its_error(instance: dg.DagsterInstance) -> None:
    state = turn_on(instance)
    instance.create_tick(
        TickData(
            state.instigator_origin_id,
            SCHEDULE,
            InstigatorType.SCHEDULE,
            TickStatus.FAILURE,
            NOW.timestamp(),
            selector_id=state.selector_id,
            error=SerializableErrorInfo("ValueError: no such day\n", [], "ValueError"),
        )
    )
    [broken] = found(instance, SCHEDULE)
    assert broken.found == "its last tick failed: no such day"
    assert broken.todo


def test_a_failed_run_is_told_with_its_sentence_until_its_work_is_done(instance: dg.DagsterInstance) -> None:
    assert found(instance, "failures")[0].found == "no run failed within a day"
    failed = run(instance, broken=True)
    [failure] = found(instance, "failure", NOW + dt.timedelta(minutes=1))
    assert failure.found == f"features {YESTERDAY}|ad: The account has no time zone: set it."
    assert failed.run_id[:8] in failure.todo
    run(instance, YESTERDAY - dt.timedelta(days=1))
    assert found(instance, "failure", NOW + dt.timedelta(minutes=1))
    run(instance)
    assert not found(instance, "failure", NOW + dt.timedelta(minutes=1))
    [healed] = found(instance, "failures", NOW + dt.timedelta(minutes=1))
    assert healed == Finding(" failures", "runs that failed within a day: 1; later ones did their work")
    assert found(instance, "failures", NOW + dt.timedelta(days=2))[0].found == "no run failed within a day"


def test_the_newest_day_of_an_asset_is_told_per_level_and_a_gap_only_where_schedules_are_on(
    instance: dg.DagsterInstance,
) -> None:
    run(instance, YESTERDAY - dt.timedelta(days=4))
    run(instance, YESTERDAY - dt.timedelta(days=3))
    [features] = found(instance, "features")
    assert features.found.startswith("campaign none, adset none, ad ")
    assert f"ad {YESTERDAY - dt.timedelta(days=3)} (" in features.found
    assert not features.todo
    turn_on(instance)
    start = YESTERDAY - dt.timedelta(days=2)
    [behind] = found(instance, "features")
    assert behind.todo == f"`ml-assets run --from {start} --to {YESTERDAY} --assets features --level ad`"
    run(instance)
    assert not found(instance, "features")[0].todo


def test_runs_that_wait_for_nobody_and_runs_without_end_are_told(instance: dg.DagsterInstance) -> None:
    job = dg.Definitions(assets=[sometimes]).resolve_implicit_global_asset_job_def()
    origin = RemoteJobOrigin(REPOSITORY, job.name)
    waiting = dg.DagsterRunStatus.QUEUED
    instance.create_run_for_job(job, status=waiting, remote_job_origin=origin)
    stuck = instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, stuck.job_name), run_id=stuck.run_id
    )
    assert not found(instance, "queue")
    assert not found(instance, "run")
    later = dt.datetime.now(dt.UTC) + LONG_RUN + dt.timedelta(minutes=1)
    [queue] = found(instance, "queue", later)
    assert queue.found == "runs that have waited for more than 5 min: 1"
    [endless] = found(instance, "run", later)
    assert "has run for 3 h" in endless.found


def test_an_instance_file_from_before_retries_and_pools_is_told(home: Path) -> None:
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        [settings] = found(instance, "settings")
    assert "run_monitoring, run_retries, concurrency.pools" in settings.found


def test_an_instance_that_cannot_be_opened_is_a_finding_with_what_to_check(
    sqlite_cli: Cli, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "dagster"
    folder.mkdir(parents=True)
    (folder / "dagster.yaml").write_text("concurrency:\n  pools:\n    granularity: nonsense\n")
    told = sqlite_cli("doctor")
    assert told.exit_code == 1
    assert "cannot be used" in told.out
    assert f"check {folder / 'dagster.yaml'}" in told.out


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (dt.timedelta(seconds=-3), "0 s"),
        (dt.timedelta(seconds=59), "59 s"),
        (dt.timedelta(minutes=119), "119 min"),
        (dt.timedelta(hours=47), "47 h"),
        (dt.timedelta(days=2), "2 d"),
    ],
)
def test_spans_are_told_in_their_largest_unit(span: dt.timedelta, words: str) -> None:
    assert in_words(span) == words


def test_the_class_of_an_error_is_left_out_and_a_sentence_with_a_colon_is_not() -> None:
    assert first_line("\npkg.errors.NotReadyError: No day is over: wait.\n") == "No day is over: wait."
    assert first_line("The day is missing: load it.") == "The day is missing: load it."


def test_code_that_cannot_be_loaded_is_told_and_the_rest_is_looked_at(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ml_assets.definitions", ModuleType("ml_assets.definitions"))
    [code] = found(instance, "code")
    assert "cannot be loaded" in code.found
    assert "dagster definitions validate" in code.todo
    assert found(instance, "features")
