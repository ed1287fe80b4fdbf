"""Whether a rate fell: exact for two Gammas, and believed against how far rates of the account move."""

from typing import cast

import numpy as np
import pytest

from ml_assets.features.estimates import LevelEstimates
from ml_assets.features.grid import Groups
from ml_assets.features.trends import LEAST_MOVE, MOST_MOVE, Move, below_probability, weekly_move


class Own:
    """The part of the estimates that a move reads."""

    def __init__(self, entities: int, dispersion: float = 1.0) -> None:
        self.seeks_leads = np.ones(entities, dtype=bool)
        self.dispersion = np.full((entities, 1), dispersion)


def moves(
    now: np.ndarray, before: np.ndarray, spend: float = 1.0, dispersion: float = 1.0, sample: bool = True
) -> Move:
    figure = {
        "leads_7d": now.astype(np.float64)[:, None],
        "leads_previous": before.astype(np.float64)[:, None],
        "visible_spend_7d": np.full((now.size, 1), spend),
        "visible_spend_previous": np.full((now.size, 1), 1.0),
    }
    own = cast("LevelEstimates", Own(now.size, dispersion))
    account = Groups(np.zeros(now.size, dtype=np.int64), 1)
    return weekly_move(own, figure.__getitem__, account, np.full(now.size, sample))


def simulated(spread: float, entities: int = 4000, mean: float = 40.0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(3)
    rate = rng.gamma(20.0, mean / 20.0, entities)
    move = rng.normal(0.0, spread, entities)
    return move, rng.poisson(rate * np.exp(move)), rng.poisson(rate)


def test_the_probability_that_one_gamma_is_below_another_is_that_of_draws() -> None:
    rng = np.random.default_rng(1)
    for a, b, c, d, ratio in (
        (2.0, 1.0, 3.0, 2.0, 1.0),
        (9.0, 4.0, 5.0, 2.0, 0.7),
        (0.5, 1.0, 0.8, 3.0, 1.4),
    ):
        drawn = np.mean(rng.gamma(a, 1 / b, 400_000) < ratio * rng.gamma(c, 1 / d, 400_000))
        shape, rate, other_shape, other_rate = (np.array(value) for value in (a, b, c, d))
        found = below_probability(shape, rate, other_shape, other_rate, ratio)
        assert found == pytest.approx(drawn, abs=0.004)


@pytest.mark.parametrize("spread", [0.0, 0.15, 0.3, 0.5])
def test_how_far_rates_move_is_learnt(spread: float) -> None:
    _, now, before = simulated(spread)
    found = moves(now, before)
    noise = 1.0 / (now + 0.5) + 1.0 / (before + 0.5)
    ratio = np.log((now + 0.5) / (before + 0.5))
    moved = np.abs(ratio) > 0.05
    share = found.mean[moved, 0] / ratio[moved]
    usual = np.sqrt(np.median(share / (1.0 - share) * noise[moved]))
    assert usual == pytest.approx(max(spread, LEAST_MOVE), abs=0.04)
    assert LEAST_MOVE - 1e-9 <= usual <= MOST_MOVE + 1e-9


@pytest.mark.parametrize("spread", [0.1, 0.3])
def test_a_fall_that_is_called_90_percent_sure_is_one_in_nine_of_ten(spread: float) -> None:
    move, now, before = simulated(spread, entities=60_000)
    sure = moves(now, before).below(0.8)[:, 0]
    for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        inside = (sure >= low) & (sure < high)
        if inside.sum() > 300:
            fell = np.mean(move[inside] < np.log(0.8))
            assert fell == pytest.approx(sure[inside].mean(), abs=0.05)


def test_where_rates_stand_still_chance_does_not_look_like_a_fall() -> None:
    _, now, before = simulated(0.0)
    assert np.mean(moves(now, before).below(0.8) >= 0.9) < 0.001


def test_more_leads_for_more_money_are_no_rise() -> None:
    found = moves(np.array([20]), np.array([10]), spend=2.0)
    assert found.mean[0, 0] == pytest.approx(0.0, abs=0.03)


def test_without_spend_in_a_week_nothing_is_said() -> None:
    assert np.isnan(moves(np.array([5]), np.array([5]), spend=0.0).below(0.8)[0, 0])


def test_counts_that_vary_more_than_chance_are_believed_less() -> None:
    calm, wild = (moves(np.array([10]), np.array([30]), dispersion=d).below(0.8)[0, 0] for d in (1.0, 3.0))
    assert wild < calm
