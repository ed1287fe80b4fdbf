"""Telling Dagster what checks found: a partition fails where all its accounts do, each for itself.

Dagster records the result of a check in a run of several partitions once, without a partition, and a failed
blocking check stops all that follows for all dates of the run (`docs/adr/0012-checks-judge-partitions.md`).
So a partition that fails gets an evaluation of its own, and the result of the run is an error only where
nothing in it passed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from ml_assets.checks.verdicts import BLOCKING, of_partitions
from ml_assets.defs.checks.standing import failed_blocking_checks
from ml_assets.defs.keys import RunKeys, partition_key
from ml_assets.defs.metadata import markdown_table
from ml_assets.defs.partitions import partitions
from ml_assets.entities import EntityType

MAX_LINES = 20
"""Accounts and days that the table of failures shows."""

_MEASURES = "measures"

CheckEvents = Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation | dg.Output[None]]


def partitioned_spec(
    asset: str, name: str, description: str, *, measures: str | None = None
) -> dg.AssetCheckSpec:
    """A check of each partition of `asset`; `measures` names the sum of its figures, which is plotted."""
    return dg.AssetCheckSpec(
        name=name,
        asset=asset,
        description=description,
        blocking=name in BLOCKING.get(asset, ()),
        partitions_def=partitions,
        metadata={} if measures is None else {_MEASURES: measures},
    )


def partitions_of(keys: RunKeys) -> pl.DataFrame:
    """entity_type and date of the partitions of a run."""
    pairs = [(level.value, date) for level, dates in keys.dates.items() for date in dates]
    return pl.DataFrame(pairs, schema={"entity_type": pl.String(), "date": pl.Date()}, orient="row")


def check_events(
    context: dg.AssetCheckExecutionContext,
    spec: dg.AssetCheckSpec,
    keys: RunKeys,
    found: pl.DataFrame,
    *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    stops_run: bool = True,
    numbers: Mapping[str, float | int] | None = None,
) -> CheckEvents:
    """The events of one check in a run, from its VERDICTS.

    `stops_run`: Dagster stops what follows in this run where a blocking check failed for all partitions that
    were judged. Otherwise what depends on it looks the failures up (`standing.failed_blocking_checks`).
    `numbers` are plotted beside those that all checks have.
    """
    own = found.join(partitions_of(keys), on=["entity_type", "date"], how="semi").filter(
        pl.col("check") == spec.name
    )
    judged = of_partitions(own)
    failed = judged.filter(~pl.col("passed"))
    sentence = _summary(failed, own)
    metadata: dict[str, Any] = {
        "accounts": own["config_id"].n_unique(),
        "accounts_failed": own.filter(~pl.col("passed"))["config_id"].n_unique(),
        "partitions": judged.height,
        "partitions_failed": failed.height,
        **_measured(spec, float(own["figure"].sum())),
        **(numbers or {}),
        **_lines(own),
    }
    key = partition_key(keys.start, keys.levels[0]) if keys.partition_count == 1 else None
    if key is None:
        yield from _of_partitions(context, spec, judged, severity)
    passed = failed.is_empty()
    if key is None and failed.height < judged.height:
        severity = dg.AssetCheckSeverity.WARN  # the others go on
    if stops_run:
        yield dg.AssetCheckResult(
            check_name=spec.name,
            passed=passed,
            severity=severity,
            description=sentence,
            metadata=metadata,
        )
        return
    yield dg.Output(None, output_name=spec.get_python_identifier())
    yield dg.AssetCheckEvaluation(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=passed,
        severity=severity,
        description=sentence,
        metadata=metadata,
        blocking=False,
        partition=key,
    )


def _of_partitions(
    context: dg.AssetCheckExecutionContext,
    spec: dg.AssetCheckSpec,
    judged: pl.DataFrame,
    severity: dg.AssetCheckSeverity,
) -> CheckEvents:
    """Evaluations of the partitions that failed, and of those that pass where they had failed before.

    The others keep what was said of them: an event for each would cost more than all checks together.
    """
    of_key = {
        str(partition_key(row["date"], EntityType(row["entity_type"]))): row
        for row in judged.iter_rows(named=True)
    }
    told = [key for key, row in of_key.items() if not row["passed"]]
    if spec.blocking:
        standing = failed_blocking_checks(context.instance, spec.asset_key, list(of_key), [spec.name])
        told += [key for key, _, _ in standing if of_key[key]["passed"]]
    for key in told:
        row = of_key[key]
        yield dg.AssetCheckEvaluation(
            asset_key=spec.asset_key,
            check_name=spec.name,
            passed=row["passed"],
            severity=severity,
            description=row["sentence"],
            metadata={name: row[name] for name in ("accounts", "accounts_failed")}
            | _measured(spec, row["figure"]),
            blocking=False,
            partition=key,
        )


def _measured(spec: dg.AssetCheckSpec, figure: float) -> dict[str, float]:
    return {str(spec.metadata[_MEASURES]): figure} if _MEASURES in spec.metadata else {}


def _summary(failed: pl.DataFrame, own: pl.DataFrame) -> str | None:
    """What is wrong, for the one line that the UI shows; None where no account failed."""
    if not failed.is_empty():
        date, level, text = failed.select("date", "entity_type", "sentence").row(0)
        others = failed.height - 1
        more = f" The same check failed for {others} more partitions of this run." if others else ""
        return f"{date}, {level}s: {text}{more}"
    accounts = own.filter(~pl.col("passed"))
    if accounts.is_empty():
        return None
    first = accounts.row(0, named=True)
    return (
        f"{accounts['config_id'].n_unique()} of {own['config_id'].n_unique()} accounts failed on "
        f"some day; the others go on. {first['date']}, {first['entity_type']}s of account "
        f"{first['config_id']}: {first['sentence']}"
    )


def _lines(own: pl.DataFrame) -> dict[str, dg.MetadataValue]:
    """The accounts that failed, as a table."""
    lines = own.filter(~pl.col("passed")).sort("date", "config_id", "entity_type")
    if lines.is_empty():
        return {}
    shown = lines.head(MAX_LINES).select("date", "entity_type", "config_id", "figure", "sentence")
    return {"failed_accounts": dg.MetadataValue.md(markdown_table(shown))}


def specs_by_name(specs: Sequence[dg.AssetCheckSpec]) -> dict[str, dg.AssetCheckSpec]:
    """Name of the check -> its spec."""
    return {spec.name: spec for spec in specs}
