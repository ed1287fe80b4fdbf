"""The figures as Markdown tables, ready for docs/forecasts.md."""

import math

from benchmarks.decisions.report import print_table
from benchmarks.forecasts.score import Score, ratio
from benchmarks.forecasts.trial import BASE, BATCHED, CHAMPION, Trial

ALONE = "smoothing"
"""The batched method that is to do on its own on synthetic accounts."""

AT_MOST = {
    "synthetic": {ALONE: 0.90, BATCHED: 0.90},
    "real": {BATCHED: 0.97, CHAMPION: 0.92},
}
"""Kind of set -> method -> MASE over Prophet's."""

TIMES_AT_LEAST = {"synthetic": {ALONE: 1000.0}, "real": {BATCHED: 300.0}}
"""Kind of set -> method -> speed over Prophet's."""

OURS = (ALONE, BATCHED, CHAMPION)
COVERED = (0.77, 0.83)
BOUND = 1.96
"""Standard errors on either side of a 95 % interval."""


def print_trial(trial: Trial) -> None:
    """The tables of a set."""
    kind = trial.series.name
    print(f"\n### {trial.series.text}\n")
    print(f"{trial.series.scored:,} series scored.\n")
    _print_methods(_totals(trial), kind)
    alone = ", ".join(f"{name} {1000 * seconds:.3f}" for name, seconds in trial.cost.alone.items())
    print(
        f"{BATCHED}, ms a series and origin: the methods, the origins that weight them included "
        f"{1000 * trial.cost.methods:.3f}, weights and intervals {1000 * trial.cost.widths:.3f}. "
        f"Each alone: {alone}.\n"
    )
    print("**MASE by part and level**\n")
    names = [*trial.scores, *trial.alone]
    found = {**trial.scores, **trial.alone}
    rows: list[list[object]] = [
        [part.name, part.scored.size, *(f"{found[name][place].mase:.3f}" for name in names)]
        for place, part in enumerate(trial.series.parts)
    ]
    by_level = {name: trial.levels(scores) for name, scores in found.items()}
    if kind == "synthetic":
        rows += [
            [
                level,
                by_level[BASE][level].errors.size,
                *(f"{by_level[name][level].mase:.3f}" for name in names),
            ]
            for level in by_level[BASE]
        ]
    rows.append(["all", trial.series.scored, *(f"{trial.total(found[name]).mase:.3f}" for name in names)])
    print_table(["", "series", *names], rows)
    print("**Coverage of the 80 % intervals by part** (counts of ours: randomised PIT)\n")
    judged = [name for name, scores in trial.scores.items() if all(item.days for item in scores)]
    print_table(
        ["", "days", *judged],
        [
            [part.name, f"{trial.scores[BASE][place].days:,}"]
            + [f"{100 * trial.scores[name][place].coverage:.1f} %" for name in judged]
            for place, part in enumerate(trial.series.parts)
        ],
    )
    everywhere = trial.total(trial.everywhere)
    if everywhere.errors.size > trial.series.scored:
        print(
            f"All {everywhere.errors.size:,} series that could be scored, {BATCHED}: "
            f"MASE {everywhere.mase:.3f}, coverage {100 * everywhere.coverage:.1f} %.\n"
        )


def _totals(trial: Trial) -> dict[str, Score]:
    """The methods and, of single candidates, the one that is to do on its own."""
    found = {name: trial.total(scores) for name, scores in trial.scores.items()}
    return {ALONE: trial.total(trial.alone[ALONE]), **found}


def _print_methods(scores: dict[str, Score], kind: str) -> None:
    base = scores[BASE]
    others = [name for name in scores if name not in OURS and name != BASE]
    best = min(others, key=lambda name: scores[name].mase, default=None)
    rows: list[list[object]] = []
    for name, item in scores.items():
        share, deviation = ratio(item, base)
        limit = AT_MOST[kind].get(name)
        against = ratio(item, scores[best]) if best and name in OURS else None
        is_timed = math.isfinite(item.seconds)
        times = base.seconds / item.seconds if is_timed else math.nan
        least = TIMES_AT_LEAST[kind].get(name)
        rows.append(
            [
                name,
                f"{item.mase:.3f}",
                f"{share:.3f} ± {deviation:.3f}" if name != BASE else "1",
                _said(share, deviation, limit),
                f"{against[0]:.3f} ± {against[1]:.3f}" if against else "",
                _covered(item, name),
                f"{1000 * item.seconds:.3f}" if is_timed else "",
                f"{1 / item.seconds:,.0f}" if is_timed else "",
                f"{times:,.0f}" if is_timed and name != BASE else "",
                "" if least is None else f">= {least:,.0f}: {'yes' if times >= least else 'no'}",
            ]
        )
    print_table(
        [
            "method",
            "MASE",
            "/ Prophet",
            "target",
            f"/ {best}, the best of statsforecast" if best else "/ the best of statsforecast",
            "80 % interval covers",
            "ms a series",
            "series/s",
            "x Prophet's speed",
            "target",
        ],
        rows,
    )
    missing = {name: int((~(item.errors >= 0)).sum()) for name, item in scores.items()}
    missing = {name: count for name, count in missing.items() if count}
    if missing:
        said = ", ".join(f"{name} {count}" for name, count in missing.items())
        print(f"Series without a scaled error, left out of the means: {said}.\n")


def _covered(item: Score, name: str) -> str:
    if not item.days:
        return ""
    low, high = COVERED
    said = ("yes" if low <= item.coverage <= high else "no") if name in OURS else ""
    return f"{100 * item.coverage:.1f} %" + (f" (77-83: {said})" if said else "")


def _said(share: float, deviation: float, limit: float | None) -> str:
    """Whether a ratio keeps under a limit: yes when its whole 95 % interval does, no when none of it does."""
    if limit is None:
        return ""
    low, high = share - BOUND * deviation, share + BOUND * deviation
    met = "reached" if share <= limit else "missed"
    said = met if high <= limit or low > limit else f"{met}, within its interval"
    return f"<= {limit:g}: {said}"
