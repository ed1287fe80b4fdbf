"""How the cost of conforming, features and tiers grows from the demo account to a hundred times of it.

`python -m benchmarks.scaling [FACTOR ...]` prints seconds and microseconds per row of ad-level insights for
one date of all levels over 120 days, at 1x, 10x and 100x the 278 ads of the demo.
"""

import sys
import time

from benchmarks.features import LAST, make_inputs
from ml_assets.classification import classify
from ml_assets.entities import LEVELS
from ml_assets.features import compute_features

ADS = 278
DAYS = 120


def main() -> None:
    """Print one line per size, with the ratio to the size before."""
    before: tuple[int, float] | None = None
    for factor in [int(argument) for argument in sys.argv[1:]] or [1, 10, 100]:
        begin = time.perf_counter()
        inputs = make_inputs(ADS * factor, DAYS)
        conformed = time.perf_counter()
        features = {level: compute_features(inputs, level, [LAST]) for level in LEVELS}
        computed = time.perf_counter()
        for level in LEVELS:
            classify(inputs, level, [LAST], features[level])
        done = time.perf_counter()
        rows, seconds = ADS * factor * DAYS, done - conformed
        growth = (
            f", {seconds / before[1]:.1f} x the time for {rows / before[0]:.0f} x the rows" if before else ""
        )
        print(
            f"{factor:>4}x: {rows:>9,} rows; made and conformed {conformed - begin:.2f} s,"
            f" features {computed - conformed:.2f} s, tiers {done - computed:.2f} s;"
            f" {seconds / rows * 1e6:.1f} us a row{growth}"
        )
        before = (rows, seconds)


if __name__ == "__main__":
    main()
