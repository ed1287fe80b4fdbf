"""A tier over time: when it moves, where to, and when it is given up."""

import numpy as np

from ml_assets.classification.bands import band_masses, boundary_probabilities, median_band
from ml_assets.classification.hysteresis import REPLAY_DAYS, UNNAMED, TierHistory, replay

CLEAR = {0: (0.9, 0.95, 0.99), 1: (0.1, 0.9, 0.95), 2: (0.02, 0.1, 0.9), 3: (0.01, 0.02, 0.1)}
"""Band -> P(CPL <= boundary) of a posterior that lies clearly in it."""

WAVER = (0.3, 0.45, 0.6)
"""Median band 2, but no boundary of any tier is passed with 0.65."""


def history(days: list[tuple[float, float, float]], under: tuple[int, ...] = ()) -> TierHistory:
    """The history at each of the days; `under` are the positions under the floor."""
    before = REPLAY_DAYS - 1  # nothing is known of the days before
    below = np.array([(0.5, 0.5, 0.5)] * before + days, dtype=np.float64).T[:, None, :]
    floor = np.zeros((1, len(days) + before), dtype=np.bool_)
    floor[0, :before] = True
    floor[0, [before + position for position in under]] = True
    band = (below < 0.5).sum(axis=0)
    asked = np.arange(before, before + len(days))
    return replay(below, band, floor, np.zeros_like(floor), asked)


def tiers(days: list[tuple[float, float, float]], under: tuple[int, ...] = ()) -> list[int]:
    return history(days, under).tier[0].tolist()


def test_the_first_tier_is_the_band_of_the_median() -> None:
    assert tiers([WAVER]) == [2]
    assert tiers([CLEAR[0]]) == [0]


def test_one_clear_date_does_not_move_the_tier_and_two_do() -> None:
    assert tiers([CLEAR[2], CLEAR[0], CLEAR[2], CLEAR[2]]) == [2, 2, 2, 2]
    assert tiers([CLEAR[2], CLEAR[0], CLEAR[0]]) == [2, 2, 0]


def test_the_tier_jumps_to_the_medians_band_over_others() -> None:
    assert tiers([CLEAR[0], CLEAR[3], CLEAR[3]]) == [0, 0, 3]


def test_two_dates_have_to_speak_in_the_same_direction() -> None:
    assert tiers([CLEAR[1], CLEAR[0], CLEAR[3], CLEAR[0], CLEAR[3]]) == [1, 1, 1, 1, 1]
    assert tiers([CLEAR[1], CLEAR[0], CLEAR[3], CLEAR[3]]) == [1, 1, 1, 3]


def test_a_date_between_breaks_the_run() -> None:
    assert tiers([CLEAR[1], CLEAR[3], CLEAR[1], CLEAR[3]]) == [1, 1, 1, 1]


def test_the_bar_is_sixty_five_percent_beyond_the_nearer_boundary() -> None:
    just_under, just_over = (0.1, 0.351, 0.9), (0.1, 0.349, 0.9)  # P(CPL > T) of 0.649 and 0.651
    assert tiers([CLEAR[1], just_under, just_under, just_under]) == [1, 1, 1, 1]
    assert tiers([CLEAR[1], just_over, just_over]) == [1, 1, 2]


def test_a_named_tier_is_given_up_on_the_third_date_under_the_floor() -> None:
    days = [CLEAR[1]] * 5
    assert tiers(days, under=(1, 2)) == [1, 1, 1, 1, 1]
    assert tiers(days, under=(1, 2, 3)) == [1, 1, 1, UNNAMED, 1]


def test_a_tier_counts_its_days_and_remembers_the_one_before() -> None:
    seen = history([CLEAR[2], CLEAR[0], CLEAR[0], CLEAR[0]])
    assert seen.days[0].tolist() == [1, 2, 1, 2]
    assert seen.previous[0].tolist() == [UNNAMED, 2, 2, 0]


def test_masses_sum_to_one_and_the_median_lies_in_its_band() -> None:
    shape = np.array([0.3, 1.0, 5.0, 400.0])[:, None]
    rate = shape / np.array([0.2, 0.9, 1.2, 1.5])[:, None]
    below = boundary_probabilities(shape, rate)
    np.testing.assert_allclose(band_masses(below).sum(axis=0), 1.0)
    assert (band_masses(below) >= 0).all()
    np.testing.assert_array_equal(median_band(shape, rate), (below < 0.5).sum(axis=0))
