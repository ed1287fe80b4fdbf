"""What is expected of a figure: against a textbook filter, and what scale and weekdays are learnt."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.anomalies.expectation import (
    CTR,
    LEAST_DAYS,
    LEAST_SCALE,
    MOST_SCALE,
    NEW_ENTITY_VARIANCE,
    OLD_LEVEL,
    SPEND,
    SPEND_WEEKDAY_VARIANCE,
    LevelModel,
    Metric,
    WeekdayProfile,
)
from ml_assets.features.grid import FloatArray

TRENDING = replace(SPEND, slope_noise=0.006**2, slope_damping=0.95)


def model_of(size: int = 1, metric: Metric = SPEND, accounts: list[int] | None = None) -> LevelModel:
    """A model of entities, all of one account where nothing else is said."""
    account = np.array(accounts if accounts is not None else [0] * size)
    return LevelModel(metric, account, int(account.max()) + 1)


def begun(model: LevelModel, level: float = 0.0, variance: float = 0.03) -> LevelModel:
    size = model.level.size
    model.begin(np.ones(size, bool), np.full(size, level), variance)
    return model


def learn(model: LevelModel, observed: FloatArray) -> FloatArray:
    """One day of log figures with the metric's noise; gives back the errors, over their deviation."""
    forecast = model.forecast(np.zeros(observed.size), np.zeros(observed.size))
    noise = model.metric.noise
    where, error = np.isfinite(observed), np.nan_to_num(observed - model.level)
    prior = forecast.variance.copy()
    model.learn_scale(where, error**2 / (prior + noise), np.ones(observed.size))
    model.update(where, model.level + prior / (prior + noise) * error, prior * noise / (prior + noise))
    return error / np.sqrt((prior + noise) * forecast.scale)


@pytest.mark.parametrize("metric", [SPEND, TRENDING])
def test_level_and_slope_are_those_of_a_kalman_filter(metric: Metric) -> None:
    model = begun(model_of(metric=metric), 1.0)
    damping = metric.slope_damping
    step = np.array([[1.0, 1.0], [0.0, damping]])
    noise = np.diag([metric.level_noise, metric.slope_noise])
    state, known = np.array([1.0, 0.0]), np.diag([0.03, metric.slope_noise * 4])
    rng = np.random.default_rng(2)
    for day in range(40):
        model.age()
        state, known = step @ state, step @ known @ step.T + noise
        assert model.level[0] == pytest.approx(state[0])
        assert model.variance[0] == pytest.approx(known[0, 0])
        if day % 9 == 4:
            continue  # a day of which nothing is known
        observed = 1.0 + 0.02 * day + rng.normal(0, 0.1)
        learn(model, np.array([observed]))
        gain = known[:, 0] / (known[0, 0] + metric.noise)
        state = state + gain * (observed - state[0])
        known = known - np.outer(gain, known[0])
        assert model.slope[0] == pytest.approx(state[1], abs=1e-12)
        assert model.slope_variance[0] == pytest.approx(known[1, 1])


def test_a_trend_is_followed_by_the_slope_and_lagged_behind_without_one() -> None:
    lag = {}
    for name, metric in (("with", TRENDING), ("without", SPEND)):
        model = begun(model_of(metric=metric))
        for day in range(60):
            model.age()
            learn(model, np.array([-0.02 * day]))
        model.age()
        lag[name] = model.level[0] + 0.02 * 60
    assert lag["with"] < 0.5 * lag["without"]
    assert lag["with"] < 0.05 < lag["without"]


def test_the_longer_nothing_is_seen_the_less_is_known_up_to_where_all_is_forgotten() -> None:
    model = begun(model_of())
    known = []
    for _ in range(2_000):
        model.age()
        known.append(model.variance[0])
    assert (np.diff(known) >= 0).all()
    assert known[-1] == OLD_LEVEL
    model.age(np.array([5.0]))
    assert model.variance[0] == OLD_LEVEL


def test_an_edit_makes_the_next_day_weigh_more() -> None:
    edited, left_alone = begun(model_of()), begun(model_of())
    for model, shock in ((edited, 0.5), (left_alone, 0.0)):
        model.age(np.array([shock]))
        learn(model, np.array([0.7]))
    assert edited.level[0] == pytest.approx(0.7, abs=0.05)
    assert left_alone.level[0] < 0.5


def test_only_entities_that_are_there_and_have_no_level_begin() -> None:
    model = model_of(4)
    model.begin(np.array([True, True, False, True]), np.array([1.0, np.nan, 1.0, -np.inf]), 0.5)
    assert np.isfinite(model.level).tolist() == [True, False, False, False]
    model.begin(np.ones(4, bool), np.full(4, 9.0), NEW_ENTITY_VARIANCE)
    assert model.level.tolist() == [1.0, 9.0, 9.0, 9.0]
    assert model.variance.tolist() == [0.5, *[NEW_ENTITY_VARIANCE] * 3]


def test_an_entity_is_known_after_seven_days_of_its_own() -> None:
    model = begun(model_of(2))
    for day in range(LEAST_DAYS):
        assert not model.forecast(np.zeros(2), np.zeros(2)).is_known[0]
        model.age()
        learn(model, np.array([0.0, 0.0 if day % 2 else np.nan]))
    assert model.forecast(np.zeros(2), np.zeros(2)).is_known.tolist() == [True, False]


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.6])
def test_how_far_days_vary_is_learnt_so_that_errors_have_a_deviation_of_one(factor: float) -> None:
    model = begun(model_of(30))
    rng, errors = np.random.default_rng(4), []
    for _ in range(120):
        model.age()
        errors.append(learn(model, rng.normal(0, factor * np.sqrt(SPEND.noise), 30)))
    assert np.std(errors[60:]) == pytest.approx(1.0, abs=0.1)


def test_a_wild_entity_does_not_make_its_account_wild_nor_the_other_way_round() -> None:
    model = begun(model_of(12, accounts=[0] * 6 + [1] * 6))
    rng = np.random.default_rng(5)
    deviation = np.full(12, np.sqrt(SPEND.noise))
    deviation[0] *= 3
    deviation[6:] *= 0.6
    for _ in range(90):
        model.age()
        learn(model, rng.normal(0, deviation))
    scale = model.forecast(np.zeros(12), np.zeros(12)).scale
    assert scale[0] > 3
    assert scale[1:6].max() < 2
    assert scale[6:].max() < scale[1:6].min()


@given(square=st.floats(0, 1e6), days=st.integers(1, 60))
def test_the_scale_keeps_within_bounds_whatever_is_seen(square: float, days: int) -> None:
    model = model_of(2)
    for _ in range(days):
        model.learn_scale(np.array([True, False]), np.full(2, square), np.ones(2))
    scale = model.forecast(np.zeros(2), np.zeros(2)).scale
    assert ((scale >= LEAST_SCALE) & (scale <= MOST_SCALE)).all()
    if square > 2:  # it draws its siblings along, less than itself
        assert scale[0] >= scale[1] >= 1


def test_a_new_entity_varies_like_its_level_until_it_shows_otherwise() -> None:
    model = begun(model_of(11))
    rng = np.random.default_rng(6)
    old = np.arange(11) < 10
    for _ in range(90):
        model.age()
        observed = rng.normal(0, 2 * np.sqrt(SPEND.noise), 11)
        learn(model, np.where(old, observed, np.nan))
    scale = model.forecast(np.zeros(11), np.zeros(11)).scale
    assert scale[10] == pytest.approx(scale[:10].mean(), rel=0.3)
    assert scale[10] > 1.8


def weeks_of(profile: WeekdayProfile, truth: FloatArray, weeks: int, noise: float, seed: int = 8) -> None:
    """So many weeks of account days whose weekdays are `truth`, errors as the profile leaves them."""
    rng = np.random.default_rng(seed)
    for day in range(7 * weeks):
        error = truth[:, day % 7] - profile.effect[:, day % 7] + rng.normal(0, noise, truth.shape[0])
        variance = np.full(truth.shape[0], max(noise, 0.1) ** 2)
        profile.learn(day % 7, error, variance, np.ones(truth.shape[0], bool))


def test_each_account_learns_its_own_weekdays() -> None:
    truth = np.zeros((2, 7))
    truth[0] = np.log([1.1, 1.1, 1.1, 1.1, 1.1, 0.7, 0.6])
    truth -= truth.mean(axis=1, keepdims=True)
    profile = WeekdayProfile(2, variance=SPEND_WEEKDAY_VARIANCE)
    weeks_of(profile, truth, 8, 0.1)
    assert profile.effect[0] == pytest.approx(truth[0], abs=0.12)
    assert profile.effect[0, 6] < -0.3
    assert np.abs(profile.effect[1]).max() < 0.1


def test_weekdays_of_other_metrics_are_believed_later_than_those_of_spend() -> None:
    truth = np.array([[0.1, 0.1, 0.1, 0.1, 0.1, -0.2, -0.3]])
    spend, other = WeekdayProfile(1, variance=SPEND_WEEKDAY_VARIANCE), WeekdayProfile(1)
    for profile in (spend, other):
        weeks_of(profile, truth, 3, 0.2)
    assert spend.effect[0, 6] < other.effect[0, 6] < 0


def test_one_wild_day_hardly_moves_the_profile() -> None:
    profile = WeekdayProfile(1)
    weeks_of(profile, np.zeros((1, 7)), 8, 0.1)
    before = profile.effect.copy()
    profile.learn(2, np.array([4.0]), np.array([0.01]), np.array([True]))
    assert np.abs(profile.effect - before).max() < 0.05


def test_days_that_do_not_count_change_no_profile() -> None:
    profile = WeekdayProfile(2)
    profile.learn(2, np.array([0.2, 0.2]), np.full(2, 0.01), np.array([True, False]))
    assert profile.effect[0, 2] > 0
    assert (profile.effect[1] == 0).all()
    assert (profile.seen[1] == 0).all()


@given(
    errors=st.lists(st.tuples(st.integers(0, 6), st.floats(-50, 50)), max_size=40),
    variance=st.floats(1e-6, 10),
)
def test_weekday_effects_sum_to_none(errors: list[tuple[int, float]], variance: float) -> None:
    """What a weekday has more the others have less: the level is not the profile's to move."""
    profile = WeekdayProfile(1)
    for weekday, error in errors:
        profile.learn(weekday, np.array([error]), np.array([variance]), np.array([True]))
    assert profile.effect.sum() == pytest.approx(0.0, abs=1e-9)


def test_what_is_expected_is_the_level_times_the_weekday() -> None:
    model = begun(model_of(1, CTR), np.log(0.02), 0.01)
    told = model.forecast(np.array([np.log(1.5)]), np.array([0.04]))
    assert np.exp(told.log[0]) == pytest.approx(0.03)
    assert told.variance[0] == pytest.approx(0.05)
