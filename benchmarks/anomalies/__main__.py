"""`python -m benchmarks.anomalies` prints how many incidents are false and how many causes are found.

python -m benchmarks.anomalies --seeds 5          # fewer accounts (50 by default)
python -m benchmarks.anomalies --small            # one small account, a few seconds
python -m benchmarks.anomalies --verbose          # every miss and every false incident too
python -m benchmarks.anomalies --out FOLDER       # the frames behind the figures, as Parquet
python -m benchmarks.anomalies --policy FILE      # other thresholds: a JSON object of names and values
python -m benchmarks.anomalies --as-of            # each date from what was known on its next morning
python -m benchmarks.anomalies.as_of              # what the shortcut of one reading changes, 3 accounts
python -m benchmarks.anomalies.speed              # 100,000 entities, one date
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from benchmarks.anomalies.report import print_all
from benchmarks.anomalies.trial import DATES, FRAMES, combine, last_dates, run
from ml_assets.anomalies.policy import AnomalyPolicy

SMALL = {"campaigns": 3, "adsets": 8, "ads": 20, "incidents": 3}


def main(arguments: list[str] | None = None) -> None:
    """Run the accounts and print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.anomalies",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=50, help="accounts")
    parser.add_argument("--first", type=int, default=0, help="seed of the first account")
    parser.add_argument("--dates", type=int, default=DATES)
    parser.add_argument("--small", action="store_true", help="one account of 3 campaigns, 8 adsets, 20 ads")
    parser.add_argument("--as-of", action="store_true", help="judge each date as of its next morning")
    parser.add_argument("--policy", type=Path, help="JSON file of thresholds")
    parser.add_argument("--verbose", action="store_true", help="list misses and false incidents")
    parser.add_argument("--out", type=Path, help="folder for the frames as Parquet")
    given = parser.parse_args(arguments)
    policy = AnomalyPolicy()
    if given.policy:
        policy = replace(policy, **json.loads(given.policy.read_text(encoding="utf-8")))
    seeds = range(given.first, given.first + (1 if given.small else given.seeds))
    trials = []
    for trial in run(
        seeds, last_dates(given.dates), policy, as_of=given.as_of, **(SMALL if given.small else {})
    ):
        trials.append(trial)
        print(f"\r{len(trials)}/{len(seeds)} accounts", end="", flush=True)
    print("\n")
    everything = combine(trials)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        for name in FRAMES:
            getattr(everything, name).write_parquet(given.out / f"{name}.parquet")
    print_all(everything, verbose=given.verbose)


if __name__ == "__main__":
    main()
