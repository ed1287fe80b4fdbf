"""What a run of recommendations leaves undone, because the data checks say so."""

from dataclasses import dataclass

import dagster as dg

from ml_assets.defs.checks.standing import failed_blocking_checks
from ml_assets.defs.keys import RunKeys, partition_key, run_keys
from ml_assets.defs.scope import MAX_NAMED
from ml_assets.errors import NotReadyError

LOOKED_AT = ("entity_metrics", "features", "classifications")
"""Assets whose blocking checks are looked at, at the partition's own level and date."""


@dataclass(frozen=True)
class Admitted:
    """The partitions of a run that are made, and why each of the others is not."""

    keys: RunKeys
    refused: dict[str, str]
    """Partition key -> sentence."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each partition that is left out, and how many more there are."""
        lines = [f"{key} is left out and stays as it was: {text}" for key, text in self.refused.items()]
        more = len(lines) - MAX_NAMED
        return (*lines[:MAX_NAMED], *([f"{more} more partitions are left out."] if more > 0 else []))


def admitted(instance: dg.DagsterInstance, keys: RunKeys) -> Admitted:
    """The partitions of `keys` without a blocking check that failed and still stands.

    Raises NotReadyError with the sentence of the first where none is left.
    """
    asked = [str(partition_key(date, level)) for level, dates in keys.dates.items() for date in dates]
    refused: dict[str, str] = {}
    for asset in LOOKED_AT:
        for key, check, text in failed_blocking_checks(instance, dg.AssetKey(asset), asked):
            refused.setdefault(key, f"the check {check} of {asset} failed. {text}")
    left = [key for key in asked if key not in refused]
    if not left:
        key = next(iter(refused))
        others = f" So it is for {len(refused) - 1} more partitions of this run." if len(refused) > 1 else ""
        raise NotReadyError(
            f"Nothing is recommended for {key}: {refused[key]}{others} Put it right and materialize it "
            "again; what was recommended before stays as it is."
        )
    return Admitted(run_keys(left), refused)
