"""The estimate on accounts whose truth is known; `benchmarks.estimate` measures it more closely."""

import polars as pl
import pytest

from benchmarks.estimate import calibration_error, coverage, error_ratio, judge, make_account


@pytest.mark.slow
def test_intervals_and_tiers_say_what_is_so() -> None:
    judged = pl.concat(judge(make_account(seed), seed) for seed in range(100, 108))
    whole = coverage(judged).filter(pl.col("leads") == "all")
    inside = dict(whole.select("entity_type", "inside").iter_rows())
    for level in ("ad", "adset"):
        assert 0.74 <= inside[level] <= 0.87, inside
    errors = dict(calibration_error(judged).iter_rows())
    assert errors["all"] <= 0.06, errors
    assert error_ratio(judged) <= 0.75
