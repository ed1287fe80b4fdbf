"""The tests of one metric on one day: tails against scipy, and evidence gathered over days."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml_assets.anomalies import likelihood  # its names begin like those of tests
from ml_assets.anomalies.expectation import CTR, CVR, SPEND, Forecast, Metric
from ml_assets.features.grid import FloatArray

MEANS = (0.3, 2.0, 17.0, 240.0, 30_000.0)
DISPERSIONS = (1.02, 1.3, 4.0, 60.0)


def forecast(
    log: FloatArray, variance: float = 0.0, scale: FloatArray | float = 1.0, *, is_known: bool = True
) -> Forecast:
    return Forecast(
        log=log,
        variance=np.full(log.size, variance),
        scale=np.broadcast_to(np.asarray(scale, dtype=np.float64), log.shape),
        is_known=np.full(log.size, is_known),
    )


def of_counts(
    count: FloatArray,
    mean: FloatArray | float,
    dispersion: FloatArray | float = 1.0,
    variance: float = 0.0,
    extra: float = 0.0,
) -> likelihood.Tested:
    """Tests of counts whose mean is known up to `variance`, at an exposure of 1."""
    mean = np.broadcast_to(np.asarray(mean, dtype=np.float64), count.shape)
    ones = np.ones(count.size)
    return likelihood.test_counts(
        forecast(np.log(mean), variance, dispersion), count, ones, ones * extra, np.ones(count.size, bool)
    )


def of_money(
    observed: FloatArray, expected: float, days: int = 60, scale: float = 1.0, variance: float = 0.0
) -> likelihood.Tested:
    size = observed.size
    told, _, _ = likelihood.test_money(
        SPEND,
        forecast(np.full(size, np.log(expected)), variance, scale),
        observed,
        np.ones(size),
        np.zeros(size),
        np.full(size, days),
        np.ones(size, bool),
    )
    return told


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("dispersion", DISPERSIONS)
def test_tails_of_counts_are_those_of_the_negative_binomial(mean: float, dispersion: float) -> None:
    deviation = np.sqrt(mean * dispersion)
    away = np.array([-40.0, -8.0, -5.0, -3.0, -2.1, 2.1, 3.0, 5.0, 8.0, 15.0, 40.0])
    count = np.unique(np.maximum(np.round(mean + away * deviation), 0.0))
    count = count[np.abs(count - mean) > likelihood.EXACT_FROM * deviation]
    told = of_counts(count, mean, dispersion)
    law = stats.nbinom(mean / (dispersion - 1.0), 1.0 / dispersion)
    expected = np.minimum(2 * np.minimum(law.cdf(count), law.sf(count - 1)), 1.0)
    assert told.p_value == pytest.approx(expected, rel=1e-6, abs=1e-290)
    assert count.size >= 4


def test_a_far_upper_tail_is_small_and_not_lost_to_rounding() -> None:
    p_value = of_counts(np.array([60.0, 120.0, 240.0]), 10.0, 1.5).p_value
    assert p_value[0] > p_value[1] > p_value[2] > 0
    assert p_value[2] < 1e-40


def test_no_leads_where_some_are_expected_are_as_unlikely_as_their_number_says() -> None:
    told = of_counts(np.zeros(3), np.array([5.0, 9.0, 25.0]))
    # Poisson says 2 exp(-mean); the least dispersion says a little more.
    poisson = 2 * np.exp(-told.expected)
    assert (told.p_value > poisson).all()
    assert told.p_value == pytest.approx(
        2 * likelihood.LEAST_DISPERSION ** (-told.expected / (likelihood.LEAST_DISPERSION - 1))
    )
    assert (told.p_value < 1.4 * poisson).all()


def test_no_leads_where_hardly_any_are_expected_say_nothing() -> None:
    assert (of_counts(np.zeros(2), np.array([0.05, 1.0])).p_value > 0.3).all()


def test_one_lead_where_hardly_any_is_expected_is_as_rare_as_it_is_and_no_more() -> None:
    """One of 0.05 expected is more than four deviations off, and comes about every twentieth day."""
    told = of_counts(np.ones(1), 0.05)
    assert told.score[0] > 4
    assert told.p_value[0] == pytest.approx(2 * 0.05, rel=0.1)


@given(mean=st.floats(0.2, 1e4), dispersion=st.floats(1.02, 30), steps=st.integers(1, 400))
def test_the_further_out_a_count_the_smaller_its_p_value(mean: float, dispersion: float, steps: int) -> None:
    first = np.ceil(mean + likelihood.EXACT_FROM * np.sqrt(mean * dispersion)) + 1
    count = first + np.array([0.0, steps])
    p_value = of_counts(count, mean, dispersion).p_value
    assert 0 <= p_value[1] <= p_value[0] <= 1


@given(
    mean=st.floats(0.2, 5e3),
    away=st.floats(-12, 12),
    variance=st.floats(0, 0.3),
    more=st.floats(0.01, 0.3),
)
def test_a_rate_known_less_well_is_never_more_surprising(
    mean: float, away: float, variance: float, more: float
) -> None:
    count = np.round(np.maximum(mean + away * np.sqrt(mean), 0.0))
    sure, unsure = (of_counts(np.array([count]), mean, 1.0, variance, extra) for extra in (0.0, more))
    assert abs(unsure.score[0]) <= abs(sure.score[0])
    if abs(unsure.score[0]) > likelihood.EXACT_FROM + 1:
        assert unsure.p_value[0] >= sure.p_value[0]


@pytest.mark.parametrize("days", [3, 7, 20, 39, 400])
def test_money_is_log_t_with_as_many_degrees_of_freedom_as_days_within_bounds(days: int) -> None:
    away = np.array([0.01, 0.2, 0.4, 0.5, 0.7, 1.5, 5.0, 30.0])
    told = of_money(50 * away, 50.0, days, scale=1.4, variance=0.01)
    spread = np.sqrt((0.01 + SPEND.noise) * 1.4)
    score = np.log(away) / spread
    freedom = np.clip(days + 1, likelihood.LEAST_FREEDOM, likelihood.MOST_FREEDOM)
    exact = 2 * stats.t(freedom).sf(np.abs(score))
    assert told.score == pytest.approx(score)
    assert told.p_value == pytest.approx(
        np.where(np.abs(score) > likelihood.EXACT_FROM, exact, told.p_value), rel=1e-9
    )
    assert (np.abs(score) > likelihood.EXACT_FROM).sum() >= 4


@given(expected=st.floats(0.01, 1e6), factor=st.floats(1.01, 1e3))
def test_twice_and_half_of_what_was_expected_are_as_unlikely(expected: float, factor: float) -> None:
    told = of_money(np.array([expected * factor, expected / factor]), expected)
    assert told.p_value[0] == pytest.approx(told.p_value[1], rel=1e-6)
    assert told.score[0] > 0 > told.score[1]


def test_no_money_at_all_is_most_unlikely_and_a_number() -> None:
    told = of_money(np.zeros(2), 100.0, scale=12.0)
    assert np.isfinite(told.score).all()
    assert (told.p_value < 1e-8).all()
    assert (told.p_value > 0).all()


@pytest.mark.parametrize("kind", ["unknown", "no exposure", "not known", "elsewhere"])
def test_what_cannot_be_tested_has_p_value_one_and_no_score(kind: str) -> None:
    observed = np.array([np.nan if kind == "unknown" else 5.0])
    exposure = np.array([0.0 if kind == "no exposure" else 1.0])
    expected = forecast(np.zeros(1), is_known=kind != "not known")
    nothing, where = np.zeros(1), np.array([kind != "elsewhere"])
    with np.errstate(all="ignore"):
        counts = likelihood.test_counts(expected, observed, exposure, nothing, where)
        money, _, _ = likelihood.test_money(
            SPEND, expected, observed, exposure, nothing, np.array([50]), where
        )
    for told in (counts, money):
        assert not told.is_tested[0]
        assert (told.p_value[0], told.day_p_value[0]) == (1.0, 1.0)
        assert np.isnan(told.score[0])


def test_the_band_holds_ninety_nine_of_a_hundred_usual_days() -> None:
    rng = np.random.default_rng(3)
    size = 40_000
    count = rng.negative_binomial(200.0, 200 / 300, size).astype(np.float64)  # mean 100, dispersion 1.5
    money = 80 * np.exp(rng.normal(0, np.sqrt(SPEND.noise), size))
    for told in (of_counts(count, 100.0, 1.5), of_money(money, 80.0)):
        lower, upper = told.band()
        outside = ((told.observed < lower) | (told.observed > upper)).mean()
        assert 0.007 < outside < 0.014
        assert (lower >= 0).all()


@pytest.mark.parametrize(("mean", "dispersion"), [(4.0, 1.02), (40.0, 1.5), (900.0, 3.0)])
def test_p_values_of_counts_as_expected_are_about_uniform(mean: float, dispersion: float) -> None:
    rng = np.random.default_rng(5)
    size = mean / (dispersion - 1)
    count = rng.negative_binomial(size, 1 / dispersion, 200_000).astype(np.float64)
    p_value = of_counts(count, mean, dispersion).p_value
    for bar in (0.01, 1e-3):
        assert (p_value <= bar).mean() <= 1.1 * bar
    assert (p_value <= 0.01).mean() >= 0.3 * 0.01
    assert 0.35 <= (p_value <= 0.5).mean() <= 0.65


def gathered(count: FloatArray, expected: float, metric: Metric = CVR) -> tuple[FloatArray, FloatArray]:
    """(entities, days) of counts -> p-values of the evidence, and of each day alone."""
    evidence, told = likelihood.Evidence(metric, count.shape[0]), []
    mean = np.full(count.shape[0], np.log(expected))
    for day in count.T:
        tested = of_counts(day, expected)
        rate = forecast(mean)
        evidence.add(tested, rate, None, likelihood.dispersion_of(rate, tested.expected, np.zeros(mean.size)))
        told.append((tested.p_value, tested.day_p_value))
    both = np.array(told)
    return both[:, 0].T, both[:, 1].T


def test_leads_that_stop_where_few_are_expected_are_told_by_days_together_and_by_none_alone() -> None:
    count = np.array([[3.0, 2, 4, 3, 2, 3] + [0.0] * 8])
    p_value, alone = gathered(count, 3.0)
    assert (alone > 0.01).all()
    assert p_value[0, 6] > 1e-4
    assert (p_value[0, 10:] <= 1e-4).all()


def test_what_is_over_is_forgotten_within_days_and_says_nothing_of_a_usual_day() -> None:
    count = np.array([[0.0] * 12 + [3.0, 4, 3, 2, 3, 3, 0, 3]])
    p_value, alone = gathered(count, 3.0)
    assert p_value[0, 11] <= 1e-4
    usual = count[0] >= 3
    assert p_value[0, usual] == pytest.approx(alone[0, usual])
    assert p_value[0, 18] > 1e-2  # one bad day after a week back is one bad day


@pytest.mark.parametrize(("metric", "mean"), [(CVR, 1.0), (CVR, 6.0), (CTR, 30.0)])
def test_evidence_of_usual_days_is_as_rare_as_its_p_value_says(metric: Metric, mean: float) -> None:
    """P(S >= h) of a reflected walk of log likelihood ratios is at most exp(-h) on each side."""
    count = np.random.default_rng(11).poisson(mean, (2_000, 120)).astype(np.float64)
    p_value, alone = gathered(count, mean, metric)
    by_evidence = p_value < alone
    for bar in (1e-2, 1e-3):
        assert (by_evidence & (p_value <= bar)).mean() <= 2 * bar
    assert (p_value <= 1e-4).mean() <= 3e-4


def test_evidence_is_of_money_too_and_on_either_side() -> None:
    size, days = 2, 8
    evidence = likelihood.Evidence(SPEND, size)
    factor = np.array([0.6, 1.6])
    rate = forecast(np.full(size, np.log(100.0)))
    everywhere, nothing = np.ones(size, bool), np.zeros(size)
    told, error, variance = likelihood.test_money(
        SPEND, rate, 100 * factor, np.ones(size), nothing, np.full(size, 60), everywhere
    )
    for _ in range(days):
        told.p_value[:] = told.day_p_value
        evidence.add(told, rate, error, variance)
    assert (told.day_p_value > 1e-3).all()
    assert (told.p_value <= 1e-4).all()
    down, up = 0, 1
    assert evidence.total[0, down] > 5 > evidence.total[0, up]
    assert evidence.total[1, up] > 5 > evidence.total[1, down]


def test_days_that_are_not_tested_neither_add_nor_take_evidence_and_it_can_be_forgotten() -> None:
    evidence, rate = likelihood.Evidence(CVR, 2), forecast(np.full(2, np.log(3.0)))

    def add(*, is_tested: bool = True) -> likelihood.Tested:
        tested = of_counts(np.zeros(2), 3.0)
        tested.is_tested[:] = is_tested
        evidence.add(tested, rate, None, np.ones(2))
        return tested

    add()
    add()
    before = evidence.total.copy()
    untested = add(is_tested=False)
    assert np.array_equal(evidence.total, before)
    assert (untested.p_value == untested.day_p_value).all()
    add()
    assert (evidence.total[:, 0] > before[:, 0]).all()
    evidence.forget(np.array([True, False]))
    assert (evidence.total[0] == 0).all()
    assert evidence.total[1, 0] > 0
