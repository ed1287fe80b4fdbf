"""`python -m benchmarks.decisions` prints the error rates of the decisions, as Markdown.

python -m benchmarks.decisions --seeds 5          # fewer accounts (50 by default)
python -m benchmarks.decisions --small            # one small account, a few seconds
python -m benchmarks.decisions --out FOLDER       # the frames behind the figures too, as Parquet
python -m benchmarks.decisions --policy FILE      # other thresholds: a JSON object of names and values
python -m benchmarks.decisions --as-of            # each date from what was known on its next morning
python -m benchmarks.decisions.as_of              # what the shortcut of one reading changes, 3 accounts
python -m benchmarks.decisions.sweep              # thresholds moved together, 10 accounts; the picture
python -m benchmarks.decisions.speed              # 100,000 entities, one date
"""

import argparse
import json
from pathlib import Path

from benchmarks.decisions.report import print_all
from benchmarks.decisions.trial import DATES, combine, last_dates, run
from ml_assets.recommendations.policy import Policy

SMALL = {"campaigns": 3, "adsets": 8, "ads": 20}


def main(arguments: list[str] | None = None) -> None:
    """Run the accounts and print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decisions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=50, help="accounts")
    parser.add_argument("--first", type=int, default=0, help="seed of the first account")
    parser.add_argument("--dates", type=int, default=DATES)
    parser.add_argument("--small", action="store_true", help="one account of 3 campaigns, 8 adsets, 20 ads")
    parser.add_argument("--as-of", action="store_true", help="decide each date as of its next morning")
    parser.add_argument("--policy", type=Path, help="JSON file of thresholds")
    parser.add_argument("--naive-days", type=int, default=7, help="window of the naive rules")
    parser.add_argument("--out", type=Path, help="folder for ours, naive and panel as Parquet")
    given = parser.parse_args(arguments)
    policy = Policy()
    if given.policy:
        policy = policy.changed(json.loads(given.policy.read_text(encoding="utf-8")), given.policy.stem)
    seeds = range(given.first, given.first + (1 if given.small else given.seeds))
    trials = []
    for trial in run(
        seeds,
        last_dates(given.dates),
        policy,
        as_of=given.as_of,
        naive_days=given.naive_days,
        **(SMALL if given.small else {}),
    ):
        trials.append(trial)
        print(f"\r{len(trials)}/{len(seeds)} accounts", end="", flush=True)
    print("\n")
    everything = combine(trials)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        for name in ("ours", "naive", "panel"):
            getattr(everything, name).write_parquet(given.out / f"{name}.parquet")
    print_all(everything, policy)


if __name__ == "__main__":
    main()
