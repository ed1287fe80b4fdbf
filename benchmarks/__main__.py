"""`python -m benchmarks [NAME ...]` runs the named measurements, or all of them, one after the other."""

import subprocess
import sys

MEASUREMENTS = {
    "features": "windows of all levels against DuckDB and a pandas loop",
    "writes": "partition writes against COPY and executemany",
    "backfill": "a backfill of the demo account, and how it grows",
    "ui_backfill": "a backfill from the UI through the daemon: runs, order, minutes",
    "api": "lists of the REST API at 200 requests a second, psycopg alone beside them",
    "scaling": "features and tiers at 1x, 10x and 100x the demo account",
    "estimate": "coverage and calibration on accounts with known truth",
    "decisions": "error rates of the decisions on accounts with known truth, naive rules beside them",
    "decisions.as_of": "decisions from one reading against those of every morning",
    "decisions.sweep": "thresholds moved together: errors against power, and flips",
    "decisions.speed": "100,000 entities decided, guards, plan and words",
    "anomalies": "false incidents and causes found on accounts with known truth, naive alarms beside them",
    "anomalies.as_of": "incidents from one reading against those of every morning",
    "anomalies.speed": "100,000 entities judged, against |z| and IQR in a pandas loop",
    "anomalies.root_cause": "causes named in real drops of a ratio (RobustSpot), beside Adtributor",
    "anomalies.nab": "a series on its own: real ad prices with labelled windows (NAB)",
    "forecasts": "scaled errors, coverage and speed beside Prophet and statsforecast",
}


def main() -> int:
    """Run the measurements; 0 when all of them ran."""
    names = sys.argv[1:] or list(MEASUREMENTS)
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        print(
            f"There is no measurement {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}.",
            file=sys.stderr,
        )
        return 2
    status = 0
    for name in names:
        print(f"== {name}: {MEASUREMENTS[name]}", flush=True)
        status |= subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode  # noqa: S603
    return status


if __name__ == "__main__":
    sys.exit(main())
