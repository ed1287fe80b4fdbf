"""The scoring of public data on cases made by hand, and the data itself where it is there."""

import datetime as dt
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from benchmarks.anomalies import nab, root_cause
from benchmarks.anomalies.public_data import data_folder, skip_reason

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).replace(tzinfo=None)


def series(rows: int, *windows: tuple[int, int]) -> nab.Series:
    times = [START + dt.timedelta(hours=row) for row in range(rows)]
    return nab.Series("made", times, np.ones(rows), windows)


def alarms(rows: int, *at: int) -> np.ndarray:
    found = np.zeros(rows, dtype=bool)
    found[list(at)] = True
    return found


def cause(**values: str) -> root_cause.Cause:
    return frozenset(values.items())


def test_nothing_said_scores_0_and_the_first_row_of_every_window_100() -> None:
    corpus = [series(200, (50, 69)), series(100, (40, 59), (80, 89))]
    assert nab.normalised([alarms(200), alarms(100)], corpus) == 0.0
    assert nab.normalised([alarms(200, 50), alarms(100, 40, 80)], corpus) == pytest.approx(100.0)


def test_a_window_is_worth_less_the_later_it_is_found_and_counts_once() -> None:
    one = series(200, (50, 69))
    early, late = nab.raw_score(alarms(200, 51), one), nab.raw_score(alarms(200, 69), one)
    assert 1.0 > early > late > 0.0
    assert nab.raw_score(alarms(200, 51, 60, 69), one) == early


def test_a_false_alarm_costs_in_full_before_a_window_and_far_behind_and_less_close_behind() -> None:
    one = series(400, (100, 119))
    cost = {row: nab.raw_score(alarms(400, 100, row), one) - 1.0 for row in (80, 121, 300)}
    assert cost[80] == cost[300] == pytest.approx(-0.11)
    assert -0.04 < cost[121] < 0.0


def test_alarms_in_the_first_rows_are_not_scored() -> None:
    one = series(200, (50, 69))
    assert one.probation == 30
    assert nab.raw_score(alarms(200, 29), one) == -1.0
    assert nab.raw_score(alarms(200, 30), one) == pytest.approx(-1.11)


def test_one_threshold_serves_all_series_and_is_the_best_of_those_tried() -> None:
    corpus = [series(100, (50, 59)), series(100, (60, 69))]
    first, second = np.ones(100), np.ones(100)
    first[50], first[80], second[60] = 1e-6, 1e-3, 1e-4
    assert nab.best_threshold([first, second], corpus) == 1e-4


def test_missing_hours_do_not_shift_the_time_of_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    monkeypatch.setattr(nab, "judge_series", lambda values, _: seen.append(values) or np.ones(values.size))
    times = [START + dt.timedelta(hours=hour) for hour in (0, 1, 4)]
    assert nab.judge(nab.Series("made", times, np.array([1.0, 2.0, 3.0]), ())).size == 3
    assert np.array_equal(seen[0], [1.0, 2.0, np.nan, np.nan, 3.0], equal_nan=True)


def test_a_cause_counts_only_as_a_whole() -> None:
    truth = frozenset({cause(cdn="5", p2p="0"), cause(bitrate="500")})
    assert root_cause.score(truth, truth) == root_cause.Counts(2, 0, 0)
    named = frozenset({cause(cdn="5"), cause(bitrate="500")})
    assert root_cause.score(named, truth) == root_cause.Counts(1, 1, 1)
    assert root_cause.score(named, truth).f1 == 0.5
    assert root_cause.score(frozenset(), truth).f1 == 0.0


def test_a_case_is_held_against_the_four_minutes_before_it(tmp_path: Path) -> None:
    minute = 1_600_000_000
    rows = [
        (minute - 60 * back, value, 100, "a", "x")
        for back, value in [(5, 90), (4, 2), (3, 2), (2, 2), (1, 2)]
    ]
    rows += [(minute, 30, 100, "a", "x"), (minute, 2, 100, "b", "x"), (minute - 60, 8, 400, "b", "y")]
    pl.DataFrame(rows, schema=["min", "value", "cnt", "cdn", "isp"], orient="row").write_csv(
        tmp_path / "case one.csv"
    )
    told = [{"data": "case one", "timestamp": minute, "cause": {"cdn": 5}}]
    (tmp_path / "causes.yaml").write_text(json.dumps(told), encoding="utf-8")
    (case,) = root_cause.read_cases(tmp_path)
    assert case.causes == {cause(cdn="5")}
    assert set(case.dimensions) == {"cdn", "isp"}
    assert case.leaves.sort("cdn", "isp").select("cdn", "isp", "value_expected", "value_observed").rows() == [
        ("a", "x", 2.0, 30.0), ("b", "x", 0.0, 2.0), ("b", "y", 2.0, 0.0),
    ]  # fmt: skip


@pytest.mark.parametrize("measurement", [nab, root_cause])
def test_without_the_data_the_measurement_says_what_is_missing(
    measurement: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    measurement.main(["--data", str(tmp_path)])
    assert "Skipped: there is no" in capsys.readouterr().out


def test_the_causes_of_the_public_cases_are_named_as_well_as_is_asked() -> None:
    folder = data_folder(None, root_cause.FOLDER)
    reason = skip_reason(folder, "causes.yaml")
    if reason:
        pytest.skip(reason)
    cases = list(root_cause.read_cases(folder))
    assert root_cause.total(cases, root_cause.ours).f1 >= root_cause.F1_AT_LEAST
