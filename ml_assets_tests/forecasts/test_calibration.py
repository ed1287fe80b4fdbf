"""Bounds are where the backtest says they are, account by account, whatever the shape of the errors."""

import numpy as np
import pytest

from ml_assets.features.grid import FloatArray
from ml_assets.forecasts.calibration import LEAST_PATHS, SAMPLE, Calibration, calibrate
from ml_assets.forecasts.frames import METRICS

ORIGINS, NODES, STEPS = 8, 200, 14
LEVELS = (0.1, 0.9)
SEEDS = np.array([11])


def made(seed: int, nodes: int = NODES, noise: float = 0.3) -> tuple[FloatArray, FloatArray]:
    """Means, and figures around them with tails no gamma distribution has."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(4.0, 1.0, (1, nodes, 1))) * np.ones((ORIGINS, nodes, STEPS))
    return mean, mean * np.exp(noise * rng.standard_t(3, mean.shape))


def learnt(
    actual: FloatArray, mean: FloatArray, group: np.ndarray | None = None, seeds: np.ndarray = SEEDS
) -> Calibration:
    group = np.zeros(actual.shape[1], dtype=np.int64) if group is None else group
    return calibrate({"spend": actual}, {"spend": mean}, {"spend": np.ones_like(mean)}, group, seeds)


def test_bounds_hold_what_they_promise_where_the_assumed_shape_is_wrong() -> None:
    mean, past = made(1)
    rng = np.random.default_rng(2)
    came = mean * np.exp(0.3 * rng.standard_t(3, mean.shape))
    bounds, _ = learnt(past, mean).bounds("spend", mean[0], LEVELS, np.arange(NODES))
    inside = (bounds[None, ..., 0] <= came) & (came <= bounds[None, ..., 1])
    assert inside.mean() == pytest.approx(0.8, abs=0.02)


def test_an_account_is_calibrated_by_itself() -> None:
    mean, past = made(3)
    wild_mean, wild = made(4, noise=1.5)
    alone, _ = learnt(past, mean).bounds("spend", mean[0], LEVELS, np.arange(NODES))
    both = learnt(
        np.concatenate([past, wild], axis=1),
        np.concatenate([mean, wild_mean], axis=1),
        np.repeat([0, 1], NODES),
        np.array([11, 12]),
    )
    beside, _ = both.bounds("spend", mean[0], LEVELS, np.arange(NODES))
    np.testing.assert_array_equal(beside, alone)


@pytest.mark.parametrize("where", ["actual", "mean"])
def test_what_is_not_known_teaches_nothing(where: str) -> None:
    mean, past = made(5)
    rows = np.arange(NODES)
    expected = learnt(past[:, 20:], mean[:, 20:]).dispersion["spend"]
    shown = {"actual": past.copy(), "mean": mean.copy()}
    shown[where][:, :20] = np.nan
    found = learnt(shown["actual"], shown["mean"])
    np.testing.assert_allclose(found.dispersion["spend"][20:], expected)
    bounds, _ = found.bounds("spend", mean[0], LEVELS, rows)
    assert np.isfinite(bounds).all()


def test_large_accounts_are_judged_by_a_sample_of_their_forecasts_the_same_every_time() -> None:
    mean, past = made(6, nodes=SAMPLE)
    found, again = learnt(past, mean), learnt(past, mean)
    assert found.values["spend"].shape == (SAMPLE, STEPS)
    np.testing.assert_array_equal(found.values["spend"], again.values["spend"])
    # Every origin has its share: a sample in steps could always hit the same weeks.
    assert np.isfinite(found.values["spend"]).all()
    wide, _ = found.bounds("spend", mean[0], LEVELS, np.arange(SAMPLE))
    inside = (wide[None, ..., 0] <= past) & (past <= wide[None, ..., 1])
    by_origin = inside.mean(axis=(1, 2))
    assert by_origin == pytest.approx(np.full(ORIGINS, 0.8), abs=0.03)


def test_days_that_move_together_make_the_total_as_wide_as_it_is() -> None:
    rng = np.random.default_rng(7)
    mean = np.full((ORIGINS, NODES, STEPS), 100.0)
    shared = mean * np.exp(0.3 * rng.standard_normal((ORIGINS, NODES, 1)))
    apart = mean * np.exp(0.3 * rng.standard_normal(mean.shape))
    widths = []
    for past in (shared, apart):
        figures: dict[str, FloatArray] = dict.fromkeys(METRICS, past)
        means: dict[str, FloatArray] = dict.fromkeys(METRICS, mean)
        whole: dict[str, FloatArray] = dict.fromkeys(METRICS, np.ones_like(mean))
        found = calibrate(
            figures,
            means,
            whole,
            np.zeros(NODES, dtype=np.int64),
            SEEDS,
        )
        ahead: dict[str, FloatArray] = dict.fromkeys(METRICS, mean[0, :1])
        paths = found.paths(ahead, np.array([0]), 200)
        total = paths["spend"].sum(axis=2)[0]
        assert np.corrcoef(total, paths["leads"].sum(axis=2)[0])[0, 1] > 0.9
        low, high = np.quantile(total, LEVELS)
        widths.append((high - low) / total.mean())
    together, independent = widths
    assert together == pytest.approx(2 * 1.28 * 0.3, rel=0.25)
    assert independent == pytest.approx(2 * 1.28 * 0.3 / np.sqrt(STEPS), rel=0.25)


def test_without_a_past_bounds_and_paths_are_there_and_wide() -> None:
    none: dict[str, FloatArray] = dict.fromkeys(METRICS, np.full((0, 3, STEPS), 1.0))
    found = calibrate(none, none, none, np.zeros(3, dtype=np.int64), SEEDS)
    ahead = np.full((3, STEPS), 50.0)
    means: dict[str, FloatArray] = dict.fromkeys(METRICS, ahead)
    for metric in METRICS:
        bounds, _ = found.bounds(metric, ahead, LEVELS, np.arange(3))
        assert (bounds[..., 0] < 40.0).all()
        assert (bounds[..., 1] > 60.0).all()
    paths = found.paths(means, np.arange(3), 2 * LEAST_PATHS)
    assert paths["leads"].shape == (3, 2 * LEAST_PATHS, STEPS)
    assert paths["leads"].mean() == pytest.approx(50.0, rel=0.15)
