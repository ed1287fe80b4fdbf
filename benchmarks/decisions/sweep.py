"""The trade-off of the thresholds: errors against power, with the naive rules in the same picture.

`python -m benchmarks.decisions.sweep [--seeds 10] [--picture docs/decisions.svg]` moves all probabilities at
which rules come into force together, by a shift of their logits, prints error and power at each step, draws
the curve, and shows what withdrawing late and the quiet days do to flips.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from benchmarks.decisions.headline import flips, headline, issued_a_day
from benchmarks.decisions.rates import cases, rate_of, unblocked
from benchmarks.decisions.report import print_table
from benchmarks.decisions.trial import Trial, combine, last_dates, run
from ml_assets.recommendations.policy import Policy

ENTERS = (
    "scale_up", "budget_increase", "budget_decrease", "pause", "pause_worst", "pause_worst_above_target",
    "winner", "reactivate", "review", "expansion", "narrowing", "narrowing_cvr", "child_pause",
)  # fmt: skip
"""Thresholds at which something comes into force, as probabilities."""

SHIFTS = (-1.5, -1.0, -0.5, 0.0, 0.75, 1.5, 2.5)
"""Steps of the logits; 0 is the policy as it is. 0.95 becomes 0.81 at the first and 0.996 at the last."""

EVEN = 0.95
"""Where all rules come into force when withdrawing late is compared with withdrawing at once."""

SIDES = {
    True: "too dear: PAUSE, BUDGET_DECREASE",
    False: "cheap: SCALE_UP, BUDGET_INCREASE",
}


def shifted(policy: Policy, shift: float) -> Policy:
    """The policy with the logits of all `ENTERS` moved by `shift`; withdrawn no later than they enter."""
    moved = {name: _moved(getattr(policy, name), shift) for name in ENTERS}
    return policy.changed(moved | {"withdraw": min(policy.withdraw, *moved.values())}, f"shift {shift:+g}")


def _moved(probability: float, shift: float) -> float:
    return 1.0 / (1.0 + (1.0 - probability) / probability * math.exp(-shift))


def points(trial: Trial, name: str, order: float) -> list[dict[str, Any]]:
    """Error and power of a trial on both sides of T, as issued and as the rules alone say."""
    rows: list[dict[str, Any]] = []
    for dear, side in SIDES.items():
        for who, advice in (
            ("issued", trial.ours),
            ("rules alone, blocked or not", unblocked(trial.ours)),
            ("naive rules", trial.naive),
        ):
            found = headline(advice, trial.panel, dear=dear)
            rows.append(
                {
                    "side": side,
                    "who": who,
                    "policy": name,
                    "order": order,
                    "wrong": found.wrong,
                    "found": found.found,
                    "wrong_share": found.wrong.share,
                    "found_share": found.found.share,
                }
            )
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """The curve as SVG: error to the right, power upwards, a panel per side of T."""
    shown = [
        {
            "side": row["side"],
            "who": row["who"],
            "order": row["order"],
            "label": f"{row['order']:+g}" if row["order"] else "policy",
            "wrong": row["wrong_share"],
            "found": row["found_share"],
        }
        for row in rows
        if not math.isnan(row["wrong_share"])
        and not math.isnan(row["found_share"])
        and (row["who"] != "naive rules" or not row["order"])
    ]
    whose = ["issued", "rules alone, blocked or not", "naive rules"]
    base = alt.Chart(alt.Data(values=shown)).encode(
        x=alt.X("wrong:Q", title="wrong among those advised", axis=alt.Axis(format="%")),
        y=alt.Y(
            "found:Q",
            title="found of those far from T",
            axis=alt.Axis(format="%"),
            scale=alt.Scale(domain=[0, 1]),
        ),
        color=alt.Color(
            "who:N",
            title=None,
            sort=whose,
            scale=alt.Scale(domain=whose, range=["#1f6f8b", "#99a8b2", "#c8553d"]),
            legend=alt.Legend(orient="bottom"),
        ),
        order="order:Q",
    )
    ours = alt.datum.who == "rules alone, blocked or not"
    layers = alt.layer(
        base.transform_filter(alt.datum.who != "naive rules").mark_line(),
        base.mark_point(filled=True, size=45, opacity=1),
        base.transform_filter(ours).mark_text(dx=5, dy=11, align="left", fontSize=9).encode(text="label:N"),
    ).properties(width=330, height=270)
    chart = layers.facet(column=alt.Column("side:N", title=None)).configure(font="sans-serif")
    chart.save(str(path))


def compare_withdrawal(seeds: Sequence[int], dates: int) -> None:
    """Print flips with late and with immediate withdrawal, with and without the quiet days of the plan."""
    rows: list[list[object]] = []
    even = dict.fromkeys(ENTERS, EVEN)
    for quiet in (Policy().quiet_days, 0):
        for withdraw in (Policy().withdraw, EVEN):
            policy = Policy().changed(
                even | {"withdraw": withdraw, "quiet_days": quiet}, f"{withdraw:g}, {quiet:g} quiet days"
            )
            trial = combine(list(run(seeds, last_dates(dates), policy)))
            rows.append(
                [
                    f"{withdraw:g}",
                    f"{quiet:g}",
                    flips(trial),
                    flips(trial, in_force=True),
                    rate_of(cases(trial.ours, trial.panel), "is_back"),
                    f"{issued_a_day(trial):.1f}",
                ]
            )
    print(f"All rules come into force at {EVEN:g}:\n")
    print_table(
        ["withdrawn below", "quiet days", "flips", "flips of the rules alone", "given again", "issued a day"],
        rows,
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the policies, print the tables and draw the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decisions.sweep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=10, help="accounts")
    parser.add_argument("--dates", type=int, default=30)
    parser.add_argument("--picture", type=Path, default=Path("docs/decisions.svg"))
    given = parser.parse_args(arguments)
    seeds = range(given.seeds)
    rows: list[dict[str, Any]] = []
    for shift in SHIFTS:
        policy = shifted(Policy(), shift)
        trial = combine(list(run(seeds, last_dates(given.dates), policy)))
        rows += points(trial, f"{shift:+g}" if shift else "policy", shift)
        print(f"\r{len(rows) // 6}/{len(SHIFTS)} policies", end="", flush=True)
    print("\n")
    table = pl.DataFrame(
        [
            {key: str(row[key]) for key in ("side", "who", "policy", "wrong", "found")}
            for row in rows
            if row["who"] != "naive rules" or not row["order"]
        ]
    ).sort("side", "who", maintain_order=True)
    print_table(["side", "who", "logits moved by", "wrong among issued", "found"], table.rows())
    draw(rows, given.picture)
    compare_withdrawal(seeds, given.dates)


if __name__ == "__main__":
    main()
