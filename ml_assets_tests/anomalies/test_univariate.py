"""One series judged on its own: what is normal passes, what is not is seen at once."""

import numpy as np
import pytest

from ml_assets.anomalies.univariate import judge_series
from ml_assets.anomalies.walk import FLAGGED
from ml_assets.errors import UsageError

WEEK = 7
PROFILE = np.array([1.0, 1.1, 1.2, 1.1, 1.0, 0.6, 0.5])


def made(steps: int, seed: int = 1, noise: float = 0.12) -> np.ndarray:
    """Spend with a weekday profile and a level that drifts a little."""
    random = np.random.default_rng(seed)
    drift = np.cumsum(random.normal(0.0, 0.01, steps))
    return (
        100.0 * np.tile(PROFILE, steps // WEEK + 1)[:steps] * np.exp(drift + random.normal(0.0, noise, steps))
    )


def test_ordinary_days_are_hardly_ever_flagged() -> None:
    flagged = np.concatenate([judge_series(made(365, seed), WEEK) <= FLAGGED for seed in range(6)])
    assert flagged.mean() <= 1e-3


def test_small_p_values_of_ordinary_days_are_about_as_rare_as_they_say() -> None:
    judged = np.concatenate([judge_series(made(365, seed), WEEK)[60:] for seed in range(6)])
    assert 0.03 <= (judged <= 0.05).mean() <= 0.08


@pytest.mark.parametrize("factor", [0.0, 0.3, 3.0])
def test_a_day_far_off_is_flagged_and_does_not_change_what_is_expected_next(factor: float) -> None:
    values = made(120)
    spoilt = values.copy()
    spoilt[100] *= factor
    clean, judged = judge_series(values, WEEK), judge_series(spoilt, WEEK)
    assert judged[100] <= FLAGGED < clean[100]
    assert judged[101:] == pytest.approx(clean[101:], rel=0.5)


def test_a_quiet_day_of_the_week_is_no_drop_but_the_same_figure_on_a_busy_one_is() -> None:
    values = made(140, noise=0.05)
    busy = values.copy()
    busy[135] = values[132]  # a Wednesday's spend on a Saturday: place 2 has the most
    assert judge_series(values, WEEK)[135] > FLAGGED
    assert judge_series(busy, WEEK)[135] <= FLAGGED


def test_a_new_level_is_flagged_first_and_normal_after_a_season() -> None:
    values = made(160)
    values[100:] *= 3.0
    judged = judge_series(values, WEEK)
    assert judged[100] <= FLAGGED
    assert (judged[100 + 2 * WEEK :] > FLAGGED).all()


def test_no_value_is_judged_by_later_ones() -> None:
    values = made(100)
    changed = values.copy()
    changed[70:] *= 5.0
    assert np.array_equal(judge_series(values, WEEK)[:70], judge_series(changed, WEEK)[:70])


def test_the_unit_of_the_series_does_not_matter() -> None:
    values = made(100)
    assert judge_series(values * 1000.0, WEEK) == pytest.approx(judge_series(values, WEEK), rel=1e-6)


def test_the_first_four_seasons_and_missing_values_are_not_judged() -> None:
    values = made(60)
    values[40:43] = np.nan
    judged = judge_series(values, WEEK)
    assert (judged[: 4 * WEEK] == 1.0).all()
    assert (judged[40:43] == 1.0).all()
    assert (judged[4 * WEEK : 40] < 1.0).all()


def test_series_with_nothing_in_them_are_not_judged() -> None:
    assert judge_series(np.zeros(40), WEEK).tolist() == [1.0] * 40
    assert judge_series(np.full(40, np.nan), WEEK).tolist() == [1.0] * 40
    assert judge_series(np.zeros(0), WEEK).size == 0


def test_a_season_without_steps_is_an_error() -> None:
    with pytest.raises(UsageError, match="at least one step"):
        judge_series(made(30), 0)
