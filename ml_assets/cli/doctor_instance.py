"""What `ml-assets doctor` says of the Dagster instance: daemon, schedules, runs, and how far each asset is.

The methods of `DagsterInstance` used here for daemons, schedules and sensors are not documented. What is
documented is GraphQL, which needs a webserver; and it is when servers are down that somebody asks.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ml_assets.cli.finding import Finding
from ml_assets.entities import LEVELS

if TYPE_CHECKING:
    import dagster as dg

DAEMON_SILENT = dt.timedelta(minutes=5)
"""A daemon reports every 30 seconds; one that loads code or is busy, later."""

LONG_RUN = dt.timedelta(hours=3)
"""A run that takes longer is likely one whose worker is gone."""

FAILURES_SHOWN = 5
FAILURES_READ = 100
BEHIND_DAYS = 2
"""Daily jobs make yesterday; a day behind that may be in the making."""

DAEMON_START = "start one, and only one: `ml-assets dev`, or `dagster-daemon run` (docs/operations.md)"
_PARTITION_TAGS = (
    "dagster/partition",
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
)


def instance_findings(instance: "dg.DagsterInstance", now: dt.datetime) -> Iterator[Finding]:
    """All findings on an open instance, as of `now`."""
    yield from _settings(instance)
    try:
        on, off, broken = _automation(instance)
    except Exception as error:  # noqa: BLE001 - whatever keeps the code from loading is what is to be told
        on, off = [], []
        broken = [
            Finding(
                " code",
                f"the definitions cannot be loaded: {first_line(str(error))}",
                "`dagster definitions validate -m ml_assets.definitions` shows where",
            )
        ]
    yield from _daemon(instance, now, needed=bool(on))
    if on or off:
        yield _switches(on, off)
    yield from broken
    yield from _waiting(instance, now)
    yield from _failures(instance, now)
    yield from _progress(instance, now, scheduled=bool(on))


def _settings(instance: "dg.DagsterInstance") -> Iterator[Finding]:
    storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
    versions = [storage.alembic_version() for storage in storages if storage is not None]
    if any(version is not None and version[0] != version[1] for version in versions):
        yield Finding(
            " storage", "Dagster's own tables are of an older version", "`dagster instance migrate`"
        )
    lacking = {
        "run_monitoring": instance.run_monitoring_enabled,
        "run_retries": instance.run_retries_enabled,
        "concurrency.pools": instance.global_op_concurrency_default_limit is not None,
    }
    missing = [name for name, is_there in lacking.items() if not is_there]
    if missing:
        yield Finding(
            " settings",
            f"dagster.yaml does not say {', '.join(missing)}",
            "compare it with ml_assets/defs/dagster.yaml; an embedded one that nobody changed may be "
            "removed, and `ml-assets` writes the newest",
        )


def _automation(instance: "dg.DagsterInstance") -> tuple[list[str], list[str], list[Finding]]:
    """Names of the schedules and sensors that are on, those that are off, and ticks that failed last."""
    from importlib import import_module

    # Loaded by name, as servers do: what is in the code location is known nowhere else.
    repository = import_module("ml_assets.definitions").defs().get_repository_def()
    kinds = {
        **{(found.name, "SCHEDULE"): found for found in repository.schedule_defs},
        **{(found.name, "SENSOR"): found for found in repository.sensor_defs},
    }
    states = defaultdict(list)
    for state in instance.all_instigator_state():
        states[state.instigator_name, state.instigator_type.value].append(state)
    on, off, broken = [], [], []
    for key, definition in sorted(kinds.items()):
        said = {state.status.value for state in states[key]} - {"DECLARED_IN_CODE"}
        is_on = "RUNNING" in said or (not said and definition.default_status.value == "RUNNING")
        (on if is_on else off).append(key[0])
        for state in states[key] if is_on else ():
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            if ticks and ticks[0].status.value == "FAILURE":
                error = ticks[0].error
                broken.append(
                    Finding(
                        f" {key[0]}",
                        f"its last tick failed: {first_line(error.message) if error else 'no reason given'}",
                        "Automation in the UI shows the tick with its traceback; the next tick tries again",
                    )
                )
    return on, off, broken


def _switches(on: Sequence[str], off: Sequence[str]) -> Finding:
    if not on:
        return Finding(
            " schedules",
            f"all {len(off)} schedules and sensors are off: nothing runs by itself. Turn them on under "
            "Automation in the UI, or set ML_ASSETS_SCHEDULES_ON=true",
        )
    rest = f"; off: {', '.join(off)}" if off else ""
    return Finding(" schedules", f"schedules and sensors that are on: {len(on)}{rest}")


def _daemon(instance: "dg.DagsterInstance", now: dt.datetime, *, needed: bool) -> Iterator[Finding]:
    beats = instance.get_daemon_heartbeats()
    required = instance.get_required_daemon_types()
    ages = {
        kind: now - dt.datetime.fromtimestamp(beats[kind].timestamp, dt.UTC)
        for kind in required
        if kind in beats
    }
    if not ages:
        yield Finding(" daemon", "none has run here yet", DAEMON_START if needed else "")
        return
    youngest = min(ages.values())
    if youngest > DAEMON_SILENT:
        yield Finding(" daemon", f"not seen for {in_words(youngest)}", DAEMON_START if needed else "")
        return
    silent = [kind for kind in required if ages.get(kind, youngest) > DAEMON_SILENT]
    if silent:
        yield Finding(
            " daemon", f"runs, but is silent on {', '.join(silent)}", "restart it; its log says what it did"
        )
        return
    told: dict[str, str] = {}
    for kind in ages:
        for error in (beats[kind].errors or ())[:1]:
            told.setdefault(first_line(error.message), kind)
    for sentence, kind in told.items():
        yield Finding(" daemon", f"{kind} reports an error: {sentence}", "its log has the traceback")
    yield Finding(" daemon", f"seen {in_words(youngest)} ago")


def _waiting(instance: "dg.DagsterInstance", now: dt.datetime) -> Iterator[Finding]:
    """Runs that wait although nobody takes them, and runs that take suspiciously long."""
    import dagster as dg

    status = dg.DagsterRunStatus
    queued = instance.get_run_records(dg.RunsFilter(statuses=[status.QUEUED]), limit=FAILURES_READ)
    waited = [record for record in queued if now - _aware(record.create_timestamp) > DAEMON_SILENT]
    if waited:
        yield Finding(
            " queue",
            f"runs that have waited for more than {in_words(DAEMON_SILENT)}: {len(waited)}",
            "Runs > Queued in the UI says what each waits for: a daemon, another run, or a pool "
            "(`meta_api`, `prophet`)",
        )
    going = instance.get_run_records(
        dg.RunsFilter(statuses=[status.STARTING, status.STARTED, status.CANCELING]), limit=FAILURES_READ
    )
    for record in going:
        begun = dt.datetime.fromtimestamp(record.start_time, dt.UTC) if record.start_time else None
        if (age := now - (begun or _aware(record.create_timestamp))) > LONG_RUN:
            yield Finding(
                " run",
                f"{_named(record.dagster_run)} has run for {in_words(age)}",
                "look at its log; where its worker is gone (a restart, a power cut), terminate it by force "
                "in the UI, and it can be run again",
            )


def _failures(instance: "dg.DagsterInstance", now: dt.datetime) -> Iterator[Finding]:
    """Runs that failed within a day and whose work no later run has done."""
    import dagster as dg

    failed = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - dt.timedelta(days=1)),
        limit=FAILURES_READ,
    )
    newest: dict[str, dg.RunRecord] = {}
    for record in failed:  # the newest first: of a run and its retries the last one speaks
        run = record.dagster_run
        newest.setdefault(run.root_run_id or run.run_id, record)
    left = [record for record in newest.values() if not _done_since(instance, record)]
    if not left:
        found = f"runs that failed within a day: {len(newest)}; later ones did their work"
        yield Finding(" failures", found if newest else "no run failed within a day")
    for record in left[:FAILURES_SHOWN]:
        yield Finding(
            " failure",
            f"{_named(record.dagster_run)}: {failure_sentence(instance, record.dagster_run.run_id)}",
            f"when the reason is gone: run {record.dagster_run.run_id[:8]} in the UI, `Re-execute`",
        )
    if len(left) > FAILURES_SHOWN:
        yield Finding(
            " failures", f"{len(left) - FAILURES_SHOWN} more within a day", "Runs > Failed in the UI"
        )


def _done_since(instance: "dg.DagsterInstance", record: "dg.RunRecord") -> bool:
    """Whether a retry, a later run of the same job and partition, or any run made what this one did not."""
    import dagster as dg

    run = record.dagster_run
    success = [dg.DagsterRunStatus.SUCCESS]
    family = {"dagster/root_run_id": run.root_run_id or run.run_id}
    if instance.get_runs_count(dg.RunsFilter(tags=family, statuses=success)):
        return True
    partition = {name: run.tags[name] for name in _PARTITION_TAGS if name in run.tags}
    if not partition:
        return False
    same = dg.RunsFilter(job_name=run.job_name, tags=partition, statuses=success)
    for found in instance.get_run_records(same, limit=FAILURES_READ):
        selected = found.dagster_run.asset_selection or frozenset()
        if (
            found.create_timestamp > record.create_timestamp
            and (run.asset_selection or frozenset()) <= selected
        ):
            return True
    failed = [entry.step_key for entry in instance.all_logs(run.run_id, dg.DagsterEventType.STEP_FAILURE)]
    return bool(failed) and all(
        _materialized_since(instance, name, key, record.end_time or 0.0)
        for name in failed
        if name is not None
        for key in partition.values()
    )


def _materialized_since(instance: "dg.DagsterInstance", name: str, key: str, moment: float) -> bool:
    import dagster as dg

    chosen = dg.AssetRecordsFilter(dg.AssetKey(name), asset_partitions=[key], after_timestamp=moment)
    return bool(instance.fetch_materializations(chosen, limit=1).records)


def failure_sentence(instance: "dg.DagsterInstance", run_id: str) -> str:
    """Why a run failed: the sentence of its first failed step, else what Dagster says of the run."""
    import dagster as dg

    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        data = event.step_failure_data if event is not None else None
        if data is not None and data.user_failure_data and data.user_failure_data.description:
            return first_line(data.user_failure_data.description)
        if data is not None and data.error is not None:
            cause = data.error.cause or data.error
            return first_line(cause.message)
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        return first_line(entry.message or entry.user_message)
    return "no reason is recorded"


def _progress(instance: "dg.DagsterInstance", now: dt.datetime, *, scheduled: bool) -> Iterator[Finding]:
    """The newest materialized day of each asset and level, and when that was."""
    from zoneinfo import ZoneInfo

    import dagster as dg

    from ml_assets.defs.backfill import ASSET_NAMES
    from ml_assets.defs.keys import partition_key, run_keys
    from ml_assets.settings import settings

    yesterday = now.astimezone(ZoneInfo(settings().timezone)).date() - dt.timedelta(days=1)
    for name in ASSET_NAMES:
        asset = dg.AssetKey(name)
        made = run_keys(instance.get_materialized_partitions(asset)).dates
        words, behind = [], []
        for level in LEVELS:
            if level not in made:
                words.append(f"{level.value} none")
                continue
            day = made[level][-1]
            chosen = dg.AssetRecordsFilter(asset, asset_partitions=[partition_key(day, level)])
            [record, *_] = instance.fetch_materializations(chosen, limit=1).records
            ago = now - dt.datetime.fromtimestamp(record.timestamp, dt.UTC)
            words.append(f"{level.value} {day} ({in_words(ago)} ago)")
            if (yesterday - day).days >= BEHIND_DAYS:
                behind.append((day, level.value))
        todo = ""
        if behind and scheduled:
            start = min(day for day, _ in behind) + dt.timedelta(days=1)
            levels = " ".join(f"--level {level}" for _, level in behind)
            todo = f"`ml-assets run --from {start} --to {yesterday} --assets {name} {levels}`"
        yield Finding(f" {name}", ", ".join(words), todo)


def _named(run: "dg.DagsterRun") -> str:
    """A run as a person names it: its job, and the days and levels."""
    partitions = [run.tags[name] for name in _PARTITION_TAGS if name in run.tags]
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    job = ", ".join(assets) if run.job_name.startswith("__") and assets else run.job_name
    return f"{job} {' to '.join(dict.fromkeys(partitions))}".strip()


def _aware(moment: dt.datetime) -> dt.datetime:
    """Dagster's time stamps are UTC, with or without saying so."""
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def in_words(span: dt.timedelta) -> str:
    """A span in its largest unit, such as `3 h`; below a minute in seconds, never negative."""
    seconds = max(int(span.total_seconds()), 0)
    units = (("d", 2 * 86_400, 86_400), ("h", 2 * 3600, 3600), ("min", 60, 60))
    fitting = (f"{seconds // length} {unit}" for unit, least, length in units if seconds >= least)
    return next(fitting, f"{seconds} s")


def first_line(text: str) -> str:
    """The first line that says something, without the class path that Dagster puts before a message."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "no reason is recorded")
    kind, found, rest = line.partition(": ")
    return rest if found and rest and " " not in kind else line
