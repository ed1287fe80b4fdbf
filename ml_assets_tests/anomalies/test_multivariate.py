"""Entities that stand apart from all others of their level."""

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_assets.anomalies.frames import ANOMALIES
from ml_assets.anomalies.multivariate import DEVIATIONS, FEATURES, grow_forests, performance_voice
from ml_assets.entities import EntityType
from ml_assets.frames import conform

D = dt.date(2026, 6, 24)
BAD = {"cpl": 1.0, "ctr": -0.8, "cvr": -0.5, "cpm": 0.1}
GOOD = {"cpl": -1.0, "ctr": 0.8, "cvr": 0.5, "cpm": -0.1}


def ordinary(date: dt.date = D, entities: int = 60, seed: int = 1, config_id: int = 1) -> pl.DataFrame:
    """Ads, four to an adset, off by chance alone: a standard deviation is a tenth of a log ratio."""
    rng = np.random.default_rng(seed)
    z = {name: rng.normal(size=entities) for name in FEATURES}
    return conform(
        pl.DataFrame(
            {
                "entity_id": [f"a{number:03d}" for number in range(entities)],
                "parent_id": [f"s{number // 4}" for number in range(entities)],
                "money": np.full(entities, 10.0),
                **{f"{name}_z": values for name, values in z.items()},
                **{f"{name}_log_ratio": 0.1 * values for name, values in z.items()},
            }
        ).with_columns(
            config_id=pl.lit(config_id), entity_type=pl.lit("ad"), date=pl.lit(date), p_value=pl.lit(0.3)
        ),
        DEVIATIONS,
    )


def with_off(frame: pl.DataFrame, entity_ids: list[str], off: dict[str, float], p_value: float = 1e-5) -> Any:
    """`frame` with these entities off by `off` (log ratios) at eight standard deviations."""
    is_off = pl.col("entity_id").is_in(entity_ids)
    return frame.with_columns(
        *(
            pl.when(is_off).then(pl.lit(value)).otherwise(f"{name}_log_ratio").alias(f"{name}_log_ratio")
            for name, value in off.items()
        ),
        *(
            pl.when(is_off).then(pl.lit(np.sign(value) * 8.0)).otherwise(f"{name}_z").alias(f"{name}_z")
            for name, value in off.items()
        ),
        pl.when(is_off).then(pl.lit(p_value)).otherwise("p_value").alias("p_value"),
    )


def weeks(config_id: int = 1, entities: int = 60) -> pl.DataFrame:
    """Four weeks before D."""
    return pl.concat(
        ordinary(D - dt.timedelta(days=back), entities, 100 + back, config_id) for back in range(1, 29)
    )


FORESTS = grow_forests(weeks(), EntityType.AD)


def voice(frame: pl.DataFrame) -> pl.DataFrame:
    return performance_voice(frame, EntityType.AD, FORESTS)


@pytest.mark.parametrize(
    ("off", "kind", "direction"), [(BAD, "PERFORMANCE_DROP", "down"), (GOOD, "PERFORMANCE_SPIKE", "up")]
)
def test_an_ad_that_stands_apart_is_told_and_whether_for_better_or_worse(
    off: dict[str, float], kind: str, direction: str
) -> None:
    found = voice(with_off(ordinary(), ["a007"], off))
    assert found["entity_id"].to_list() == ["a007"]
    assert found.schema == ANOMALIES
    row = found.row(0, named=True)
    assert (row["anomaly_type"], row["direction"]) == (kind, direction)
    assert row["observed_value"] > row["upper_value"] > row["expected_value"]
    assert np.sign(row["deviation_score"]) == (1 if direction == "up" else -1)


def test_it_is_a_voice_and_never_an_alarm() -> None:
    row = voice(with_off(ordinary(), ["a007"], BAD)).row(0, named=True)
    assert (row["is_alert"], row["incident_id"], row["severity"]) == (False, None, "LOW")


def test_chance_alone_has_no_voice() -> None:
    frame = pl.concat(ordinary(D + dt.timedelta(days=day), seed=day) for day in range(10))
    assert voice(frame).is_empty()
    assert voice(frame.with_columns(p_value=pl.lit(1e-3))).height <= 6  # of 600


def test_what_stands_apart_without_one_unlikely_metric_is_silent() -> None:
    assert voice(with_off(ordinary(), ["a007"], BAD, p_value=0.05)).is_empty()


def test_what_moves_a_whole_adset_sets_none_of_its_ads_apart() -> None:
    assert voice(with_off(ordinary(), ["a004", "a005", "a006", "a007"], BAD)).is_empty()


def test_a_deviation_within_its_own_noise_does_not_count_however_large() -> None:
    wild = pl.col("entity_id") == "a007"
    frame = ordinary().with_columns(
        *(
            pl.when(wild).then(2.0).otherwise(f"{n}_log_ratio").alias(f"{n}_log_ratio")
            for n in ("cpl", "cvr")
        ),
        *(pl.when(wild).then(0.2).otherwise(f"{n}_z").alias(f"{n}_z") for n in ("cpl", "cvr")),
        pl.when(wild).then(1e-3).otherwise("p_value").alias("p_value"),
    )
    assert voice(frame).is_empty()


def test_an_account_of_under_thirty_entities_has_no_forest() -> None:
    few = weeks(entities=29)
    assert grow_forests(few, EntityType.AD) == {}
    assert voice(with_off(ordinary(entities=29), ["a007"], BAD)).is_empty()


def test_entities_without_data_do_not_count_and_unknown_metrics_are_nothing() -> None:
    frame = with_off(ordinary(), ["a007"], BAD)
    unknown = [
        pl.lit(None, dtype=pl.Float64).alias(f"{n}_{part}") for n in FEATURES for part in ("log_ratio", "z")
    ]
    blank = ordinary(seed=9).with_columns(*unknown, entity_id=pl.lit("blank_") + pl.col("entity_id"))
    assert voice(pl.concat([frame, blank])).equals(voice(frame))
    no_leads = frame.with_columns(unknown[FEATURES.index("cpl") * 2])
    assert voice(no_leads)["entity_id"].to_list() == ["a007"]


def test_where_only_the_spend_moved_there_is_nothing_better_or_worse() -> None:
    only_spend = with_off(
        ordinary(), ["a007"], {"spend": 3.0, "cpl": 0.0, "ctr": 0.0, "cvr": 0.0, "cpm": 0.0}
    )
    assert voice(only_spend).is_empty()


def test_the_order_of_rows_and_the_other_days_change_nothing() -> None:
    today = with_off(ordinary(), ["a007"], BAD)
    tomorrow = with_off(ordinary(D + dt.timedelta(days=1), seed=3), ["a011", "a012"], GOOD)
    both = pl.concat([today, tomorrow])
    found = voice(both)
    shuffled = performance_voice(
        both.sample(fraction=1.0, shuffle=True, seed=5),
        EntityType.AD,
        grow_forests(weeks().sample(fraction=1.0, shuffle=True, seed=6), EntityType.AD),
    )
    assert found.equals(shuffled)
    assert found.filter(pl.col("anomaly_date") == D).equals(voice(today))


def test_accounts_are_judged_by_their_own_forest() -> None:
    forests = grow_forests(pl.concat([weeks(), weeks(2)]), EntityType.AD)
    both = pl.concat([with_off(ordinary(), ["a007"], BAD), ordinary(config_id=2, seed=4)])
    found = performance_voice(both, EntityType.AD, forests)
    assert found.select("config_id", "entity_id").rows() == [(1, "a007")]
    assert set(forests) == {1, 2}
