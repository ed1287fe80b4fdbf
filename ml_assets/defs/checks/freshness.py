"""Whether each level of an asset has been made for yesterday: one check per asset and level.

Dagster's own FreshnessPolicy looks at the last materialization of any partition, so that a level that
stopped weeks ago would hide behind the others, and a backfill of last year behind yesterday.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

import dagster as dg

from ml_assets.checks.freshness import freshness
from ml_assets.defs.keys import run_keys
from ml_assets.entities import LEVELS, EntityType
from ml_assets.settings import settings

FRESH_LEVELS: dict[str, tuple[EntityType, ...]] = {
    "entity_metrics": LEVELS,
    "classifications": LEVELS,
    "anomalies": LEVELS,
    "forecasts": (EntityType.CAMPAIGN, EntityType.ADSET),
    "recommendations": LEVELS,
}
"""Asset -> levels that a schedule makes every day."""


def newest_dates(instance: dg.DagsterInstance, asset: str) -> dict[EntityType, dt.date]:
    """The newest date that was materialized of each level of an asset; a level without any is left out."""
    keys = run_keys(instance.get_materialized_partitions(dg.AssetKey(asset)))
    return {level: days[-1] for level, days in keys.dates.items()}


def yesterday(now: dt.datetime) -> dt.date:
    """The day before `now` in the time zone of the partitions."""
    return now.astimezone(ZoneInfo(settings().timezone)).date() - dt.timedelta(days=1)


def _check(asset: str, levels: Sequence[EntityType]) -> dg.AssetChecksDefinition:
    specs = {
        level: dg.AssetCheckSpec(
            f"{level}_fresh",
            asset=asset,
            description=f"The newest date of {level}s is yesterday or later.",
        )
        for level in levels
    }

    @dg.multi_asset_check(name=f"{asset}_freshness", specs=list(specs.values()), can_subset=True)
    def check(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        expected = yesterday(dt.datetime.now(dt.UTC))
        newest = newest_dates(context.instance, asset)
        for level, spec in specs.items():
            if spec.key not in context.selected_asset_check_keys:
                continue
            date = newest.get(level)
            passed, sentence = freshness(asset, level, date, expected)
            yield dg.AssetCheckResult(
                check_name=spec.name,
                passed=passed,
                severity=dg.AssetCheckSeverity.WARN,
                description=sentence,
                metadata={}
                if date is None
                else {"newest_date": date.isoformat(), "days_late": max(0, (expected - date).days)},
            )

    return check


FRESHNESS_CHECKS = tuple(_check(asset, levels) for asset, levels in FRESH_LEVELS.items())
"""Of value when they run without the asset: launch `*_freshness` from a schedule, or look in the morning."""
