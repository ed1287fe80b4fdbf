"""The partitions `date` x `entity_type`, and which upstream partitions a downstream one needs.

Only the shape of the partitions lives here; what a run does with its keys is in `keys`.
"""

import dagster as dg

from ml_assets.entities import LEVELS
from ml_assets.settings import settings

DATE = "date"
ENTITY_TYPE = "entity_type"

dates = dg.DailyPartitionsDefinition(
    start_date=settings().first_date.isoformat(),
    timezone=settings().timezone,
    end_offset=1,  # today exists: its figures are loaded while the day runs
)
entity_types = dg.StaticPartitionsDefinition([level.value for level in LEVELS])
partitions = dg.MultiPartitionsDefinition({DATE: dates, ENTITY_TYPE: entity_types})
"""Keyed `2026-02-02|adset`; build and parse keys with `dg.MultiPartitionKey`."""


def _mapping(entity_type: dg.PartitionMapping) -> dg.MultiPartitionMapping:
    return dg.MultiPartitionMapping(
        {
            DATE: dg.DimensionPartitionMapping(DATE, dg.IdentityPartitionMapping()),
            ENTITY_TYPE: dg.DimensionPartitionMapping(ENTITY_TYPE, entity_type),
        }
    )


# A StaticPartitionMapping reads from upstream to downstream: which levels a level's partition is for.
_TO_OWN_AND_ABOVE = dg.StaticPartitionMapping(
    {level.value: [upper.value for upper in level.path] for level in LEVELS}
)
_TO_OWN_AND_BELOW = dg.StaticPartitionMapping(
    {level.value: [lower.value for lower in LEVELS if level in lower.path] for level in LEVELS}
)
_TO_ALL = dg.StaticPartitionMapping({level.value: [other.value for other in LEVELS] for level in LEVELS})
_TO_OWN_AND_CHILD = dg.StaticPartitionMapping(
    {level.value: [lower.value for lower in (level, level.child) if lower is not None] for level in LEVELS}
)

own_level = _mapping(dg.IdentityPartitionMapping())
"""The same date and level."""

own_and_levels_below = _mapping(_TO_OWN_AND_ABOVE)
"""The same date; a campaign needs its adsets and ads, whose figures are summed or reconciled with its own."""

all_levels = _mapping(_TO_ALL)
"""The same date at every level; a cause is looked for in the whole tree, whichever level is judged."""

own_and_parent_level = _mapping(_TO_OWN_AND_CHILD)
"""The same date; an adset is judged in the light of its campaign, an ad in the light of its adset."""

own_and_levels_above = _mapping(_TO_OWN_AND_BELOW)
"""The same date; the level and all above, since estimates flow down the tree.

Features look back on months of entity metrics, and make them from the insights where they are missing. That
is not said here: Dagster follows a mapping downwards when a backfill is launched, so that a week chosen in
the UI would take along all the months after it, up to today, whose day is not over.
"""
