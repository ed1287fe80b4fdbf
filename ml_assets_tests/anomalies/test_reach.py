"""Frequency that rises, and reach that no longer grows with the spend."""

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest

from ml_assets.anomalies.frames import ANOMALIES, RUNNING_DAYS
from ml_assets.anomalies.inputs import AnomalyInputs
from ml_assets.anomalies.reach import reach_voice
from ml_assets.entities import EntityType
from ml_assets_tests.features.frames_made import D, Row, adset, campaign, day, feature_inputs, figures, frame


def weekly(back: int, frequency: float | None, reach: int = 10_000) -> Row:
    return figures("adset", "s1", day(back), window_days=7, frequency=frequency, reach=reach, spend=None)


def an_adset(
    frequency: float = 2.0,
    now: float = 2.0,
    *,
    spend: float = 20.0,
    spend_now: float = 20.0,
    reach: int = 10_000,
    reach_now: int = 10_000,
    weeks: bool = True,
) -> AnomalyInputs:
    """Adset s1 over five weeks; `_now` is its last week, for frequency and reach its last day."""
    rows = [figures("adset", "s1", day(back), spend=spend_now if back < 7 else spend) for back in range(35)]
    if weeks:
        rows += [weekly(back, frequency, reach) for back in range(1, 35)] + [weekly(0, now, reach_now)]
    return AnomalyInputs(feature_inputs([campaign("c1"), adset("s1", "c1")], rows))


def voice(
    inputs: AnomalyInputs, dates: tuple[dt.date, ...] = (D,), target: float | None = None
) -> pl.DataFrame:
    targets = (
        pl.DataFrame({"config_id": [1], "entity_id": ["s1"], "target_cpl": [target]}) if target else None
    )
    return reach_voice(inputs, EntityType.ADSET, dates, targets)


def kinds(inputs: AnomalyInputs) -> list[str]:
    return voice(inputs)["anomaly_type"].to_list()


def test_a_frequency_high_and_far_above_its_usual_is_told() -> None:
    found = voice(an_adset(3.0, 4.5))
    assert found.schema == ANOMALIES
    row = found.row(0, named=True)
    assert (row["anomaly_type"], row["metric_name"], row["parent_id"]) == (
        "FREQUENCY_ALERT",
        "frequency",
        "c1",
    )
    assert (row["observed_value"], row["expected_value"], row["upper_value"]) == (4.5, 3.0, 3.75)
    assert (row["is_alert"], row["incident_id"], row["is_provisional"]) == (False, None, False)


@pytest.mark.parametrize(
    ("usual", "now"),
    [pytest.param(2.0, 3.9, id="not high"), pytest.param(4.0, 4.9, id="high as ever")],
)
def test_neither_high_alone_nor_risen_alone_is_told(usual: float, now: float) -> None:
    assert kinds(an_adset(usual, now)) == []


def test_without_rows_of_seven_days_there_is_no_voice() -> None:
    assert kinds(an_adset(3.0, 9.0, weeks=False, spend_now=60.0)) == []


def test_a_first_week_has_no_usual() -> None:
    rows = [figures("adset", "s1", day(back)) for back in range(6)] + [weekly(back, 8.0) for back in range(6)]
    young = AnomalyInputs(feature_inputs([campaign("c1"), adset("s1", "c1")], rows))
    assert kinds(young) == []


def test_spend_that_finds_nobody_new_is_saturation() -> None:
    found = voice(an_adset(3.2, 3.5, spend_now=26.0, reach_now=10_300))
    row = found.row(0, named=True)
    assert (row["anomaly_type"], row["observed_value"], row["expected_value"]) == (
        "REACH_SATURATION",
        3.5,
        3.2,
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"reach_now": 10_600}, id="reach grew"),
        pytest.param({"spend_now": 24.0}, id="spend hardly grew"),
        pytest.param({"now": 2.9}, id="frequency is low"),
    ],
)
def test_saturation_needs_growing_spend_standing_reach_and_frequency(change: dict[str, float]) -> None:
    assert kinds(an_adset(**{"now": 3.5, "spend_now": 26.0, "reach_now": 10_300, **change})) == []


def test_the_severity_follows_the_extra_money_of_a_day_and_stops_at_medium() -> None:
    # A third of 20 a day was spent on the frequency above the usual.
    inputs = an_adset(3.0, 4.5)
    assert voice(inputs)["severity"].item() == "LOW"
    assert voice(inputs, target=7.0)["severity"].item() == "LOW"
    assert voice(inputs, target=6.6)["severity"].item() == "MEDIUM"
    assert voice(inputs, target=0.01)["severity"].item() == "MEDIUM"


def test_a_day_that_runs_is_provisional() -> None:
    inputs = an_adset(3.0, 4.5)
    running = AnomalyInputs(
        inputs.figures, running=frame([{"config_id": 1, "date": D, "share": 0.5}], RUNNING_DAYS)
    )
    assert voice(running)["is_provisional"].item()


def test_the_order_of_rows_and_the_days_after_change_nothing() -> None:
    inputs = an_adset(3.0, 4.5, spend_now=60.0)
    dates = (day(3), day(1), D)

    def of(metrics: pl.DataFrame) -> pl.DataFrame:
        return voice(AnomalyInputs(replace(inputs.figures, metrics=metrics)), dates)

    metrics = inputs.figures.metrics
    assert of(metrics.sample(fraction=1.0, shuffle=True, seed=2)).equals(voice(inputs, dates))
    before = voice(inputs, dates).filter(pl.col("anomaly_date") < D)
    assert of(metrics.filter(pl.col("date") < D)).equals(before)
