"""A set of series put through every method; what is printed of it is in report.py."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.forecasts import baselines, ours
from benchmarks.forecasts.ours import Cost
from benchmarks.forecasts.outcome import Cache, Outcome
from benchmarks.forecasts.score import Score, apart, score, together
from benchmarks.forecasts.series import SeriesSet
from ml_assets.forecasts.candidates import DEFAULT_METHODS

BASE = "Prophet"
BATCHED, CHAMPION = "batched", "champion"


@dataclass(frozen=True)
class Trial:
    """Scores of all methods on the scored series of a set."""

    series: SeriesSet
    scores: dict[str, list[Score]]
    """Method -> one for each part."""
    alone: dict[str, list[Score]]
    """The same of single candidates: points only. NaN seconds where they are not of the batched ones."""
    cost: Cost
    everywhere: list[Score]
    """Batched, on all series that could be scored."""

    def total(self, scores: Sequence[Score]) -> Score:
        """The parts as one; metrics of one account stay one cluster."""
        return together(scores if self.series.is_account else apart(scores))

    def levels(self, scores: Sequence[Score]) -> dict[str, Score]:
        """The scored series by level, over all parts; errors only."""
        found: dict[str, list[Score]] = {}
        for part, each in zip(self.series.parts, scores, strict=True):
            level = part.level[part.scored]
            for number, name in enumerate(part.levels):
                here = level == number
                if here.any():
                    chosen = Score(each.errors[here], each.cluster[here], 0.0, 0, each.seconds)
                    found.setdefault(name, []).append(chosen)
        return {name: together(items) for name, items in found.items()}


def run(
    series: SeriesSet,
    names: Sequence[str],
    workers: baselines.Workers,
    cache: Cache,
    said: Callable[[str], None],
    *,
    has_champion: bool = True,
) -> Trial:
    """Baselines `names` (Prophet among them) and our methods on every part of a set.

    Without the champion there is no boosting either, which takes most of the time.
    """
    theirs = {
        name: [
            cache.get(series.name, part, name, lambda name=name, part=part: workers.run(name, part, said))
            for part in series.parts
        ]
        for name in names
    }
    said("batched")
    joined = series.joined(ours.HISTORY)
    batched = [ours.forecast(part) for part in joined.parts]
    cost = ours.cost(joined)
    of_all = ours.split(series, ours.with_intervals(joined, batched, cost.whole))
    outcomes = {BATCHED: _scored(series, of_all)}
    tried = batched
    if has_champion:
        said("boosting and the champion")
        tried = [
            ours.forecast(part, (*DEFAULT_METHODS, ours.BOOSTING)).having(ours.PROPHET, points)
            for part, points in zip(
                joined.parts, ours.join(series, [found.points for found in theirs[BASE]]), strict=True
            )
        ]
        of_champion = ours.with_intervals(joined, tried, math.nan)
        outcomes[CHAMPION] = _scored(series, ours.split(series, of_champion))
    outcomes |= theirs
    alone = {
        name: _scored(
            series,
            ours.split(
                series, [Outcome(each.alone(name), seconds=cost.alone.get(name, math.nan)) for each in tried]
            ),
        )
        for name in tried[0].points
        if name != ours.PROPHET
    }
    return Trial(
        series=series,
        scores={name: _scores(series, found) for name, found in outcomes.items()},
        alone={name: _scores(series, found) for name, found in alone.items()},
        cost=cost,
        everywhere=[
            score(part, part.rows, outcome.take(part.rows))
            for part, outcome in zip(series.parts, of_all, strict=True)
        ],
    )


def _scored(series: SeriesSet, outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome.take(part.scored) for part, outcome in zip(series.parts, outcomes, strict=True)]


def _scores(series: SeriesSet, outcomes: Sequence[Outcome]) -> list[Score]:
    return [score(part, part.scored, outcome) for part, outcome in zip(series.parts, outcomes, strict=True)]
