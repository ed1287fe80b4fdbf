"""The three levels of a Meta Ads account and how they hang together: campaign > adset > ad.

The account itself is the root of the tree but not an entity: it has no partition of its own.
"""

from enum import StrEnum


class EntityType(StrEnum):
    """A level of the account. Members are ordered from the top of the tree down."""

    CAMPAIGN = "campaign"
    ADSET = "adset"
    AD = "ad"

    @property
    def parent(self) -> "EntityType | None":
        """The level above, or None for a campaign."""
        index = LEVELS.index(self)
        return LEVELS[index - 1] if index else None

    @property
    def child(self) -> "EntityType | None":
        """The level below, or None for an ad."""
        index = LEVELS.index(self)
        return LEVELS[index + 1] if index + 1 < len(LEVELS) else None

    @property
    def path(self) -> tuple["EntityType", ...]:
        """This level and all above it, from the campaign down."""
        return LEVELS[: LEVELS.index(self) + 1]

    @property
    def id_column(self) -> str:
        """Name of the id column in the source tables (`campaign_id`, `adset_id`, `ad_id`)."""
        return f"{self.value}_id"

    @property
    def table(self) -> str:
        """Name of the source table that holds the entities of this level."""
        return f"ads_{self.value}s"


LEVELS: tuple[EntityType, ...] = tuple(EntityType)
"""All levels from the top of the tree down."""
