"""Going through the days of accounts: what is found usual, what is not, what is learnt and what never is."""

import datetime as dt
import json
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_assets.anomalies.expectation import LEAST_DAYS, MODELS
from ml_assets.anomalies.panel import Panel
from ml_assets.anomalies.walk import FLAGGED, Day, walk
from ml_assets.features.grid import FloatArray
from ml_assets_tests.anomalies.accounts_made import Change, Made, back, inputs_of, panel_of
from ml_assets_tests.features.frames_made import Row

DAYS = 110
NEW_NORMAL = 21
METRICS = tuple(metric.name for metric in MODELS)
WEEK = (1.1, 1.0, 1.0, 1.1, 1.0, 0.5, 0.4)
SMALL = Made(days=DAYS, campaigns=2, adsets=1, ads=2)
FADING = tuple(Change("ctr", None, 0.98**day, 40 - day, 40 - day) for day in range(41))


def turned(config_id: int, entity_type: str, entity_id: str, days_before: int, **fields: Any) -> list[Row]:
    """An entity is active on a budget of 100, and `fields` change at noon so many days before D."""
    first = {"effective_status": "ACTIVE", "status": "ACTIVE", "daily_budget": 100.0}
    if entity_type == "ad":
        del first["daily_budget"]
    at = [(DAYS + 20, first), (days_before, {**first, **fields})]
    return [
        {
            "config_id": config_id,
            "entity_type": entity_type,
            "entity_id": entity_id,
            "known_at": dt.datetime.combine(back(days), dt.time(12), dt.UTC),
            "fields": json.dumps(told),
        }
        for days, told in at
    ]


STORIES: dict[str, Made] = {
    "plain": SMALL,
    "step": replace(SMALL, changes=(Change("spend", "c1", 3.0, 50),)),
    "one day": replace(SMALL, changes=(Change("spend", "c1", 4.0, 20, 20),)),
    "weekdays": replace(SMALL, weekdays=WEEK),
    "low wednesday": replace(SMALL, weekdays=WEEK, changes=(Change("spend", None, 0.4),)),
    "fading": replace(SMALL, changes=FADING),
    "budget": replace(SMALL, changes=(Change("spend", "c1", 2.0, 5),)),
    "no reason": replace(SMALL, changes=(Change("spend", "c1", 2.0, 5),)),
    "paused": replace(SMALL, begins={"c2s1a2": 500}, changes=(Change("spend", "c1", 0.0, 9),)),
    "stopped": replace(SMALL, changes=(Change("spend", "c1", 0.0, 9),)),
    "new ad": replace(
        SMALL, ads=3, begins={"c1s1a3": 30, "c2s1a3": 30}, changes=(Change("ctr", "c1s1a3", 0.0),)
    ),
    "launch": replace(SMALL, begins={"c2": 30}, changes=(Change("ctr", "c2s1a1", 0.0, 30),)),
    "broken form": replace(SMALL, spend=15.0, changes=(Change("cvr", "c1", 0.15, 20, 8),)),
    "usual may day": replace(SMALL, changes=(Change("spend", None, 0.45, 54, 54),)),
    "spanish may day": replace(
        SMALL, account={"timezone": "Europe/Madrid"}, changes=(Change("spend", None, 0.45, 54, 54),)
    ),
    "branding": replace(SMALL, cvr=0.0),
    "silent": replace(SMALL, spend=0.0),
    "one ad": replace(SMALL, campaigns=1, ads=1),
    "tiny": replace(SMALL, spend=0.4, cvr=0.5),
}
STORIES = {name: replace(made, config_id=number) for number, (name, made) in enumerate(STORIES.items(), 1)}


@dataclass(frozen=True)
class Series:
    """One metric of one entity over all days."""

    observed: FloatArray
    expected: FloatArray
    deviation: FloatArray
    exposure: FloatArray
    score: FloatArray
    p_value: FloatArray
    day_p_value: FloatArray
    is_tested: np.ndarray


@dataclass(frozen=True)
class Walked:
    panel: Panel
    days: list[Day]

    def series(self, config_id: int, metric: str, entity_id: str) -> Series:
        """Of an entity; an account by its id."""
        for index, step in enumerate(self.panel.steps):
            is_it = (pl.col("config_id") == config_id) & (pl.col("entity_id") == entity_id)
            row = step.keys.select(is_it.arg_true()).to_series().to_list()
            if row:
                of = [told[metric][index] for told in self.days]
                return Series(**{n: np.array([getattr(t, n)[row[0]] for t in of]) for n in FIELDS})
        raise AssertionError(entity_id)

    def all(self, metric: str, name: str, steps: tuple[int, ...] = (0, 1, 2, 3)) -> np.ndarray:
        """(days, entities) of the steps."""
        return np.array([np.concatenate([getattr(t[metric][i], name) for i in steps]) for t in self.days])


FIELDS = ("observed", "expected", "deviation", "exposure", "score", "p_value", "day_p_value", "is_tested")


def through(panel: Panel) -> Walked:
    return Walked(panel, [told for _, told in walk(panel, 0, NEW_NORMAL)])


@cache
def stories() -> Walked:
    """All accounts walked through at once."""
    ids = {name: made.config_id for name, made in STORIES.items()}
    versions = [
        *turned(ids["budget"], "campaign", "c1", 5, daily_budget=200.0),
        *turned(ids["paused"], "campaign", "c1", 10, effective_status="PAUSED", status="PAUSED"),
    ]
    return through(panel_of(inputs_of(*STORIES.values(), versions=versions), DAYS))


def of(story: str, metric: str, entity_id: str = "c1") -> Series:
    made = STORIES[story]
    return stories().series(made.config_id, metric, entity_id)


def at(days_before: int) -> int:
    return DAYS - 1 - days_before


@cache
def calm(noise: float) -> Walked:
    """An account on which nothing happens; 39 entities."""
    made = Made(days=150, campaigns=3, adsets=3, ads=3, noise=noise, weekdays=WEEK, seed=3, spend=40.0)
    return through(panel_of(made, 150))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("step", range(4))
def test_small_p_values_of_calm_days_are_no_more_than_they_say(metric: str, step: int) -> None:
    p_value, tested = (
        calm(0.2).all(metric, name, (step,))[56:].astype(np.float64) for name in ("day_p_value", "is_tested")
    )
    told = p_value[tested > 0]
    assert told.size >= 90
    for bar in (0.05, 0.01, 1e-3):
        rare = 3 * np.sqrt(bar / told.size) + 1 / told.size
        assert (told <= bar).mean() <= 1.5 * bar + rare, bar


@pytest.mark.parametrize("metric", ["spend", "ctr", "cvr", "cpl"])
def test_p_values_of_calm_ads_are_about_uniform(metric: str) -> None:
    p_value, tested = (calm(0.2).all(metric, name, (3,))[56:] for name in ("day_p_value", "is_tested"))
    told = p_value[tested]
    assert told.size > 2000
    for bar in (0.1, 0.25, 0.5, 0.75):
        assert (told <= bar).mean() == pytest.approx(bar, abs=0.05)
    assert 0.002 <= (told <= 0.01).mean() <= 0.015


@pytest.mark.parametrize("noise", [0.08, 0.2, 0.4])
def test_hardly_any_calm_day_is_flagged_by_itself_or_by_evidence(noise: float) -> None:
    told, tested = (
        np.concatenate([calm(noise).all(metric, name)[28:] for metric in METRICS], axis=1)
        for name in ("p_value", "is_tested")
    )
    flagged = (told <= FLAGGED) & tested
    assert tested.sum() > 15_000
    assert flagged.sum() <= 6e-4 * tested.sum()


def test_a_step_of_the_spend_is_told_for_three_weeks_and_then_the_new_level() -> None:
    spend, usual = of("step", "spend"), of("plain", "spend")
    changed = at(50)
    assert spend.p_value[changed - 1] > FLAGGED
    assert (spend.p_value[changed : changed + NEW_NORMAL] <= FLAGGED).all()
    assert spend.expected[changed : changed + NEW_NORMAL] == pytest.approx(
        usual.expected[changed : changed + NEW_NORMAL], rel=0.15
    )
    learnt = changed + NEW_NORMAL
    assert (spend.p_value[learnt:] > FLAGGED).all()
    assert spend.expected[learnt + 7 :] == pytest.approx(3 * usual.expected[learnt + 7 :], rel=0.15)


def test_the_ads_below_learn_the_new_level_with_what_is_above_them() -> None:
    ads, learnt = of("step", "spend", "c1s1a1"), at(50) + NEW_NORMAL
    assert (ads.p_value[at(50) : learnt] <= FLAGGED).all()
    assert (ads.p_value[learnt + 1 :] > FLAGGED).all()


def test_a_day_out_of_line_is_told_and_not_learnt_from() -> None:
    spend, usual = of("one day", "spend"), of("plain", "spend")
    assert spend.p_value[at(20)] <= FLAGGED
    assert np.nanargmin(spend.p_value) == at(20)
    assert spend.expected[at(19)] == pytest.approx(usual.expected[at(19)], rel=0.02)
    assert spend.p_value[at(19) :] == pytest.approx(usual.p_value[at(19) :], abs=0.12)


def test_a_low_sunday_is_usual_and_the_same_figure_on_a_wednesday_is_not() -> None:
    account = f"act_{STORIES['weekdays'].config_id}"
    spend = of("weekdays", "spend", account)
    sunday = np.array([back(DAYS - 1 - day).weekday() == 6 for day in range(DAYS)])
    late = np.arange(DAYS) >= 42
    assert (spend.day_p_value[sunday & late] > 1e-2).all()
    recent = np.arange(DAYS) >= DAYS - 28
    ratio = spend.expected[sunday & recent].mean() / spend.expected[~sunday & recent].mean()
    assert ratio == pytest.approx(0.4 / (np.sum(WEEK[:6]) / 6), rel=0.25)
    low = of("low wednesday", "spend", f"act_{STORIES['low wednesday'].config_id}")
    assert low.observed[-1] == pytest.approx(low.observed[sunday & late].mean(), rel=0.2)
    assert low.p_value[-1] <= FLAGGED


def test_a_ctr_that_fades_by_two_percent_a_day_is_followed_and_no_alarm() -> None:
    ctr = of("fading", "ctr", f"act_{STORIES['fading'].config_id}")
    true = 0.03 * 0.98 ** np.maximum(np.arange(DAYS) - at(40), 0)
    off = np.log(ctr.expected / ctr.exposure / true)
    assert np.abs(off[-20:].mean()) < 0.025
    assert (ctr.p_value > FLAGGED).all()


def test_a_budget_doubled_makes_twice_the_spend_no_surprise_and_its_like_without_reason_one() -> None:
    told, untold = of("budget", "spend"), of("no reason", "spend")
    assert untold.p_value[at(5)] <= FLAGGED
    assert (told.p_value[at(5) : at(5) + 3] > 1e-2).all()
    assert told.expected[-1] == pytest.approx(told.observed[-1], rel=0.25)
    assert untold.expected[-1] < 0.7 * untold.observed[-1]


def test_what_is_paused_is_not_judged_and_what_stops_by_itself_is() -> None:
    paused, stopped = of("paused", "spend"), of("stopped", "spend")
    assert paused.is_tested[at(11)]
    assert not paused.is_tested[at(10) :].any()  # nor on the day itself, of which it ran a part
    assert not of("paused", "spend", "c1s1a1").is_tested[at(10) :].any()
    assert stopped.is_tested[at(9)]
    assert stopped.p_value[at(9)] <= FLAGGED
    assert (paused.p_value[at(10) :] == 1.0).all()


def test_a_pause_of_one_campaign_is_no_anomaly_of_its_account() -> None:
    paused, stopped = (
        of(story, "spend", f"act_{STORIES[story].config_id}") for story in ("paused", "stopped")
    )
    assert stopped.p_value[at(9)] <= FLAGGED < paused.p_value[at(9) :].min()


def test_new_entities_are_not_judged_before_seven_days_of_their_own() -> None:
    for metric in METRICS:
        tested = of("new ad", metric, "c2s1a3").is_tested
        assert not tested[: at(30) + LEAST_DAYS].any()
        assert tested[at(30) + LEAST_DAYS + 1 :].all()


def test_a_new_entity_begins_at_the_rates_of_its_parent() -> None:
    ctr, parent = of("launch", "ctr", "c2s1a1"), of("launch", "ctr", "c2s1")
    first = np.flatnonzero(ctr.is_tested)[0]
    rate = ctr.expected[first] / ctr.exposure[first]
    assert (ctr.observed[:first] == 0).all()  # its own history knows no click
    assert 0 < rate < 0.1 * parent.expected[first] / parent.exposure[first]


def test_a_launch_moves_its_account_without_a_surprise() -> None:
    account = of("launch", "spend", f"act_{STORIES['launch'].config_id}")
    assert account.observed[at(30)] > 1.5 * account.observed[at(31)]
    assert account.p_value[at(30) : at(26)].min() > 1e-3


def test_evidence_gathers_leads_that_fail_to_come_over_days_and_forgets_them_once_they_come_again() -> None:
    ads = [of("broken form", "cvr", name) for name in ("c1", "c1s1", "c1s1a1", "c1s1a2")]
    broken, after = slice(at(20), at(7)), slice(at(3), None)
    campaign, one_ad = ads[0], ads[2]
    assert campaign.expected[broken].mean() < 6
    assert one_ad.expected[broken].mean() < 3
    assert (one_ad.day_p_value[broken] > 1e-3).all()
    assert campaign.p_value[broken].min() <= FLAGGED < campaign.day_p_value[broken].min()
    assert (campaign.p_value[: at(20)] > 1e-3).all()
    assert all((told.p_value[after] > 1e-2).all() for told in ads)


def test_public_holidays_of_the_country_are_given_more_room() -> None:
    usual = of("usual may day", "spend", f"act_{STORIES['usual may day'].config_id}")
    spanish = of("spanish may day", "spend", f"act_{STORIES['spanish may day'].config_id}")
    day = at(54)
    assert stories().panel.date(day) == dt.date(2026, 5, 1)
    assert usual.day_p_value[day] < 0.2 * spanish.day_p_value[day]
    assert usual.deviation[day] < 0.9 * spanish.deviation[day]
    assert usual.deviation[day - 1] == pytest.approx(spanish.deviation[day - 1], rel=0.02)


@pytest.mark.parametrize("story", ["branding", "silent", "one ad", "tiny"])
def test_odd_accounts_have_p_values_that_are_numbers(story: str) -> None:
    made = STORIES[story]
    for entity_id in (f"act_{made.config_id}", "c1", "c1s1", "c1s1a1"):
        if story == "silent" and not entity_id.startswith("act"):
            continue
        for metric in METRICS:
            told = of(story, metric, entity_id)
            assert ((told.p_value >= 0) & (told.p_value <= 1)).all()
            assert np.isfinite(told.score[told.is_tested]).all()
            assert np.isfinite(told.expected[told.is_tested]).all()


def test_an_account_that_never_has_leads_is_not_alarmed_by_that() -> None:
    cvr = of("branding", "cvr")
    assert (cvr.p_value > 0.01).all()


@cache
def small_inputs() -> tuple[Any, Walked]:
    made = (STORIES["weekdays"], STORIES["new ad"])
    inputs = inputs_of(*made, versions=turned(made[0].config_id, "campaign", "c1", 30, daily_budget=130.0))
    return inputs, through(panel_of(inputs, DAYS))


def with_metrics(inputs: Any, metrics: pl.DataFrame, **changed: pl.DataFrame) -> Any:
    return replace(inputs, figures=replace(inputs.figures, metrics=metrics, **changed))


def assert_same(one: Walked, other: Walked, until: int = DAYS, rel: float = 0.0) -> None:
    """Every p-value and expectation of every entity of `one` up to the day `until`."""
    for step in one.panel.steps:
        for config_id, entity_id in step.keys.select("config_id", "entity_id").rows():
            for metric in METRICS:
                a, b = one.series(config_id, metric, entity_id), other.series(config_id, metric, entity_id)
                for name in ("p_value", "score", "is_tested"):
                    first, second = (getattr(told, name)[:until].astype(np.float64) for told in (a, b))
                    np.testing.assert_allclose(
                        first, second, rtol=rel, atol=rel, err_msg=f"{entity_id} {metric}"
                    )


def test_no_day_is_judged_by_later_ones() -> None:
    inputs, judged = small_inputs()
    later = pl.col("date") > back(15)
    made = STORIES["weekdays"]
    metrics = inputs.figures.metrics.with_columns(
        pl.when(later).then(pl.col(name) * 5).otherwise(name).cast(dtype).alias(name)
        for name, dtype in inputs.figures.metrics.schema.items()
        if name in ("spend", "impressions", "clicks", "leads")
    ).filter(~later | (pl.col("entity_id") != "c2s1a1"))
    versions = inputs_of(
        made,
        versions=[
            *turned(made.config_id, "campaign", "c1", 30, daily_budget=130.0),
            *turned(made.config_id, "adset", "c2s1", 14, effective_status="PAUSED"),
        ],
    ).figures.versions
    # An adset without any version is live where it delivers, so one whose past is told is so all along.
    changed = through(panel_of(with_metrics(inputs, metrics, versions=versions), DAYS))
    assert_same(judged, changed, until=at(15) + 1)
    with pytest.raises(AssertionError, match="Not equal"):
        assert_same(judged, changed, until=at(14) + 1)


def test_the_order_of_rows_and_of_accounts_changes_nothing() -> None:
    inputs, judged = small_inputs()

    def mixed(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1.0, shuffle=True, seed=5)

    figures = inputs.figures
    other = with_metrics(
        inputs,
        mixed(figures.metrics),
        entities=mixed(figures.entities),
        accounts=figures.accounts.reverse(),
        versions=mixed(figures.versions),
    )
    assert_same(judged, through(panel_of(other, DAYS)), rel=1e-9)


def test_an_account_is_judged_by_itself_alone() -> None:
    _, judged = small_inputs()
    alone = through(panel_of(inputs_of(STORIES["new ad"]), DAYS))
    assert_same(alone, judged, rel=1e-9)


def test_the_currency_an_account_is_in_changes_no_p_value() -> None:
    inputs, judged = small_inputs()
    metrics = inputs.figures.metrics.with_columns(pl.col("spend") * 1000)
    accounts = inputs.figures.accounts.with_columns(pl.col("target_cpl") * 1000)
    versions = inputs.figures.versions  # of the budget only the ratio counts
    dear = through(panel_of(with_metrics(inputs, metrics, accounts=accounts, versions=versions), DAYS))
    assert_same(judged, dear, rel=1e-4)
