"""What an asset at a level rests on, on the same date: what has to be there before it is made."""

from collections.abc import Sequence

from ml_assets.entities import LEVELS, EntityType
from ml_assets.timetable.affected import FIGURES
from ml_assets.timetable.readiness import Place

INSIGHTS = "insights"


def upstream_of(asset: str, level: EntityType) -> tuple[Place, ...]:
    """The places that `asset` at `level` reads of its own date and cannot do without, nearest last.

    Raises KeyError for an asset that is none of ours.
    """
    own_path: tuple[EntityType, ...] = level.path
    reads: dict[str, Sequence[Place]] = {
        INSIGHTS: (),
        FIGURES: [(INSIGHTS, level)],
        "features": [(FIGURES, each) for each in own_path],
        "anomalies": [(FIGURES, each) for each in LEVELS],
        "forecasts": [(FIGURES, each) for each in LEVELS],
        "classifications": [("features", each) for each in own_path[-2:]],
        "recommendations": [
            *((FIGURES, each) for each in own_path),
            ("features", level),
            *(("classifications", each) for each in own_path),
        ],
    }
    return tuple(reads[asset])


def all_upstream_of(targets: Sequence[Place]) -> tuple[Place, ...]:
    """Everything that `targets` rest on, through all steps, upstream first; without the targets."""
    found: dict[Place, None] = {}

    def visit(place: Place) -> None:
        for each in upstream_of(*place):
            if each not in found:
                visit(each)
                found[each] = None

    for target in targets:
        visit(target)
    return tuple(place for place in found if place not in targets)
