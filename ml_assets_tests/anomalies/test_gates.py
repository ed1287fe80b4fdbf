"""Which deviations count: sure among all tests of the account, large, worth money, and not a mere mix."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml_assets.anomalies.gates import LEAST_SHARE, PART_OF_SPEND, Gated, gate, rate_share
from ml_assets.anomalies.panel import Panel
from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.anomalies.walk import Day
from ml_assets_tests.anomalies.accounts_made import DAYS, Change, D, Followed, Made, followed, inputs_of
from ml_assets_tests.features.frames_made import Row

CALM = Made()
"""Three campaigns of two adsets of two ads of 60 a day each, T is 10."""


def place_of(panel: Panel, entity_id: str) -> tuple[int, int]:
    """Step and row of an entity of the only account; `act_1` is the account itself."""
    for index, step in enumerate(panel.steps):
        rows = step.keys["entity_id"].to_list()
        if entity_id in rows:
            return index, rows.index(entity_id)
    raise LookupError(entity_id)


class Judged:
    """The last day of an account after the gates, asked by name."""

    def __init__(self, made: Made, policy: AnomalyPolicy | None = None, versions: Iterable[Row] = ()) -> None:
        self.panel, days = followed(inputs_of(made, versions=versions), policy=policy)
        self.day: Followed = days[-1]
        self.told, self.gated = self.day.told, self.day.gated

    def sign(self, metric: str, entity_id: str) -> int:
        step, row = place_of(self.panel, entity_id)
        return int(self.gated[metric][step].sign[row])

    def stake(self, metric: str, entity_id: str) -> tuple[float, float]:
        step, row = place_of(self.panel, entity_id)
        stake = self.gated[metric][step].stake
        return float(stake.money[row]), float(stake.leads[row])

    def p_value(self, metric: str, entity_id: str) -> float:
        step, row = place_of(self.panel, entity_id)
        return float(self.told[metric][step].p_value[row])

    def passing(self) -> set[tuple[str, str, int]]:
        """(metric, entity, sign) of all that passes."""
        return {
            (metric, step.keys["entity_id"][int(row)], int(gated.sign[row]))
            for metric, steps in self.gated.items()
            for step, gated in zip(self.panel.steps, steps, strict=True)
            for row in np.flatnonzero(gated.sign)
        }


def changed(*changes: Change, **fields: Any) -> Judged:
    return Judged(replace(CALM, changes=changes, **fields))


def test_a_stopped_ad_passes_with_what_it_did_not_spend_at_stake() -> None:
    judged = changed(Change("spend", "c1s1a1", 0.0))
    assert judged.sign("spend", "c1s1a1") == -1
    money, leads = judged.stake("spend", "c1s1a1")
    assert money == pytest.approx(60.0, rel=0.1)
    assert leads == 0.0
    assert {entity for _, entity, _ in judged.passing()} <= {"c1s1a1", "c1s1", "c1"}


def test_signs_are_of_what_was_seen_less_what_was_expected() -> None:
    judged = changed(Change("spend", "c1", 3.0), Change("cpm", "c2", 0.4), Change("ctr", "c3", 0.3))
    assert judged.sign("spend", "c1") == 1
    assert judged.sign("cpm", "c2") == -1
    assert judged.sign("ctr", "c3") == -1


@pytest.mark.parametrize(("factor", "sign"), [(1.35, 1), (0.65, -1)])
def test_a_deviation_passes_from_its_least_size_on_however_sure(factor: float, sign: int) -> None:
    made = replace(CALM, changes=(Change("cpm", "c1", factor),), noise=0.01)
    assert Judged(made, AnomalyPolicy(least_relative=0.30)).sign("cpm", "c1") == sign
    assert Judged(made, AnomalyPolicy(least_relative=0.40)).sign("cpm", "c1") == 0
    assert AnomalyPolicy().least_relative == 0.25


def test_what_costs_less_than_one_lead_may_does_not_pass_and_its_sum_does() -> None:
    judged = changed(Change("spend", "c1", 0.0), spend=6.0)  # T is 10; an adset has 12, the campaign 24
    assert judged.p_value("spend", "c1s1a1") < 1e-6
    assert judged.sign("spend", "c1s1a1") == 0
    assert judged.sign("spend", "c1s1") == judged.sign("spend", "c1") == -1


def test_leads_at_stake_pass_where_their_worth_in_money_does_not() -> None:
    strict = AnomalyPolicy(least_money=1e9)
    made = replace(CALM, changes=(Change("cvr", "c1", 0.0),))
    assert Judged(made, strict).sign("cvr", "c1") == -1
    assert Judged(made, replace(strict, least_leads=1e9)).sign("cvr", "c1") == 0


def test_leads_are_worth_t_each_and_clicks_the_spend_they_were_bought_with() -> None:
    judged = changed(Change("cvr", "c1", 0.0), Change("ctr", "c2", 0.5))
    money, leads = judged.stake("cvr", "c1")
    step, row = place_of(judged.panel, "c1")
    assert leads == pytest.approx(judged.told["cvr"][step].expected[row])
    assert money == pytest.approx(10.0 * leads)
    money, leads = judged.stake("ctr", "c2")
    assert money == pytest.approx(0.5 * 240.0, rel=0.2)
    assert leads == 0.0


def test_fewer_leads_per_click_do_no_harm_where_clicks_are_as_much_cheaper() -> None:
    cheaper = changed(Change("cvr", "c1", 0.4), Change("ctr", "c1", 3.2))
    assert cheaper.p_value("cvr", "c1") < 1e-4
    assert cheaper.sign("cvr", "c1") == 0
    assert changed(Change("cvr", "c1", 0.4)).sign("cvr", "c1") == -1


def test_a_small_ad_that_spends_as_much_as_fifteen_passes() -> None:
    before = Change("spend", "c1s1a1", 0.06, DAYS - 1, 1)  # less than half a T a day
    judged = changed(before, Change("spend", "c1s1a1", 1.0), ads=6)  # its adset spends a fifth more
    step, row = place_of(judged.panel, "c1s1a1")
    assert judged.told["spend"][step].expected[row] < LEAST_SHARE * 10.0
    assert judged.sign("spend", "c1s1a1") == 1


# ----------------------------------------------------------------- mix


def mixed(*changes: Change) -> Judged:
    """Of the two adsets of c1 one has always had a fifth of the other's CTR."""
    return changed(Change("ctr", "c1s2", 0.2, DAYS - 1), *changes, noise=0.03)


def test_a_rate_that_falls_by_its_mix_alone_does_not_pass_though_sure_and_large() -> None:
    judged = mixed(Change("spend", "c1s1", 0.2), Change("spend", "c1s2", 1.8))
    assert judged.p_value("ctr", "c1") < 1e-6
    step, row = place_of(judged.panel, "c1")
    tested = judged.told["ctr"][step]
    assert tested.observed[row] < 0.75 * tested.expected[row]
    assert judged.sign("ctr", "c1") == 0
    assert abs(rate_share(judged.panel, judged.told["ctr"], step)[row]) < 0.2
    assert not {entity for metric, entity, _ in judged.passing() if metric == "ctr"}


def test_a_rate_that_falls_by_itself_passes_and_is_all_rate() -> None:
    judged = mixed(Change("ctr", "c1", 0.4))
    assert judged.sign("ctr", "c1") == -1
    step, row = place_of(judged.panel, "c1")
    assert rate_share(judged.panel, judged.told["ctr"], step)[row] == pytest.approx(1.0, abs=0.1)


def test_of_an_ad_nobody_knows_a_mix() -> None:
    judged = mixed()
    assert np.isnan(rate_share(judged.panel, judged.told["ctr"], len(judged.panel.steps) - 1)).all()


# ----------------------------------------------------------------- sure among all tests


def flat(panel: Panel, told: Day, small: dict[str, float], p_value: float = 1.0) -> Day:
    """All tests of the day at one p-value but for those of the named entities' spend, who stopped."""
    for tests in told.values():
        for tested in tests:
            tested.p_value[:] = p_value
    for entity_id, value in small.items():
        step, row = place_of(panel, entity_id)
        tested = told["spend"][step]
        tested.observed[row], tested.score[row], tested.p_value[row] = 0.0, -9.0, value
    return told


def stopped(panel: Panel, gated: dict[str, list[Gated]]) -> set[str]:
    return {
        step.keys["entity_id"][int(row)]
        for step, one in zip(panel.steps, gated["spend"], strict=True)
        for row in np.flatnonzero(one.sign)
    }


@pytest.mark.parametrize(("p_value", "passes"), [(0.9e-4, True), (1.1e-4, False)])
def test_a_p_value_of_one_in_ten_thousand_is_the_least_there_is(p_value: float, *, passes: bool) -> None:
    panel, days = followed(CALM)
    told = flat(panel, days[-1].told, {"c1": p_value})
    gated = gate(panel, told, days[-1].day, AnomalyPolicy())
    assert stopped(panel, gated) == ({"c1"} if passes else set())


def test_the_more_tests_the_surer_one_must_be_and_many_small_ones_carry_each_other() -> None:
    """Benjamini-Hochberg at 5 %: the k-th smallest of m tests passes at 0.05 k / m."""
    panel, days = followed(CALM)
    told, day = days[-1].told, days[-1].day
    tests = sum(int(tested.is_tested.sum()) for steps in told.values() for tested in steps)
    loose = AnomalyPolicy(p_value=1.0)
    bar = 0.05 / tests

    def who(small: dict[str, float]) -> set[str]:
        return stopped(panel, gate(panel, flat(panel, told, small), day, loose))

    assert who({"c1": 0.99 * bar}) == {"c1"}
    assert who({"c1": 1.01 * bar}) == set()
    three = {"c1": 2.9 * bar, "c2": 2.9 * bar, "c3": 2.9 * bar}
    assert who(three) == set(three)
    assert who({**three, "c3": 3.1 * bar}) == set()
    assert who({"c1": 0.5 * bar, "c2": 2.5 * bar, "c3": 2.9 * bar}) == {"c1", "c2", "c3"}


def test_one_account_does_not_make_another_one_surer() -> None:
    both = inputs_of(CALM, replace(CALM, config_id=2, seed=8))
    panel, days = followed(both)
    told = flat(panel, days[-1].told, {})
    spend = told["spend"][3]
    first = panel.steps[3].account == 0
    spend.p_value[first] = 1e-9  # the first account's ads all stopped
    spend.observed[first], spend.score[first] = 0.0, -9.0
    other = int(np.flatnonzero(~first)[0])
    bar = 0.05 / sum(
        int((tested.is_tested & (step.account == 1)).sum())
        for steps in told.values()
        for step, tested in zip(panel.steps, steps, strict=True)
    )
    for factor, sign in ((0.9, -1), (1.1, 0)):
        spend.observed[other], spend.score[other], spend.p_value[other] = 0.0, -9.0, factor * bar
        gated = gate(panel, told, days[-1].day, AnomalyPolicy(p_value=1.0))
        assert gated["spend"][3].sign[other] == sign
        assert (gated["spend"][3].sign[first] == -1).all()


def test_rates_of_entities_of_whom_next_to_nothing_is_expected_are_no_tests() -> None:
    tiny = [Change("spend", f"c{c}s{s}a2", 0.001, DAYS - 1) for c in (1, 2, 3) for s in (1, 2)]
    judged = changed(*tiny, cpm=0.1)  # they are seen and clicked all the same
    tests = sum(int(tested.is_tested.sum()) for steps in judged.told.values() for tested in steps)
    few = AnomalyPolicy(p_value=1.0)
    for left_out, who in ((12, {"c1"}), (len(tiny) * 4 + 1, set())):  # all rates of the six are
        flat(judged.panel, judged.told, {"c1": 0.05 / (tests - left_out)})
        assert stopped(judged.panel, gate(judged.panel, judged.told, judged.day.day, few)) == who


def test_hardly_anything_passes_on_a_fortnight_of_many_calm_accounts() -> None:
    made = [replace(CALM, config_id=number, seed=number, noise=0.15) for number in range(1, 25)]
    panel, days = followed(inputs_of(*made), last=14)
    assert panel.accounts.height == 24
    tests = sum(
        int(tested.is_tested.sum()) for day in days for steps in day.told.values() for tested in steps
    )
    assert tests > 30_000
    passing = sum(int((one.sign != 0).sum()) for day in days for steps in day.gated.values() for one in steps)
    assert passing <= 2e-4 * tests


# ----------------------------------------------------------------- T


def test_t_is_each_accounts_own() -> None:
    one = replace(CALM, changes=(Change("spend", "c1s1a1", 0.0),), account={"target_cpl": 10.0})
    dear = replace(one, config_id=2, account={"target_cpl": 100.0})
    panel, days = followed(inputs_of(one, dear))
    spend = days[-1].gated["spend"][3]
    at = panel.steps[3].keys.with_row_index("row").filter(entity_id="c1s1a1").sort("config_id")["row"]
    assert spend.sign[at.to_numpy()].tolist() == [-1, 0]
    assert spend.stake.unit[at.to_numpy()].tolist() == [10.0, 100.0]


def test_where_no_t_is_known_a_small_part_of_the_accounts_spend_stands_in() -> None:
    made = replace(CALM, cvr=0.0, changes=(Change("spend", "c1s1a1", 0.0),), account={"target_cpl": None})
    judged = Judged(made)
    unit = judged.gated["spend"][3].stake.unit
    assert unit == pytest.approx(PART_OF_SPEND * 12 * 60.0, rel=0.05)
    assert judged.sign("spend", "c1s1a1") == -1


def test_the_days_of_the_panel_end_on_the_last_made() -> None:
    panel, days = followed(CALM)
    assert panel.date(days[-1].day) == D
