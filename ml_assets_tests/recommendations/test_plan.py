"""The plan of small accounts drawn by hand: what is issued, what waits, and how cases end, date by date."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from ml_assets.features.grid import FloatArray
from ml_assets.recommendations.frames import GUARDS, PLAN_REASONS, TYPES
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.replay import NONE, Candidates, Look, Outcome, replay_plan
from ml_assets.recommendations.standing import Window

CAMPAIGN, ADSET, AD = range(3)
ACCOUNTS = 2
PARENT_OF_CAMPAIGNS = 1000


@dataclass
class One:
    """A candidate: an entity by number and a type, with what is seen of it, the same on all dates or one
    value per date."""

    entity: int
    kind: str
    level: int = AD
    account: int = 0
    campaign: int = NONE
    adset: int = NONE
    p: float | list[float] = 0.97
    enters: bool | list[bool] = True
    in_force: bool | list[bool] = True
    guard: str | None = None
    money: float | list[float] = 10.0
    frees: float = 0.0
    running_siblings: float = 5.0
    expected: float = 5.0
    parent_is_active: bool = True
    dismissed_on: int | None = None
    dismissed_p: float = 0.97
    applied_on: int | None = None
    changed_on: int | None = None


@dataclass
class Plan:
    """What was decided: text per candidate and date, "" where it is issued."""

    outcome: Outcome
    ones: list[One] = field(repr=False)

    def of(self, entity: int, kind: str | None = None) -> list[str]:
        row = next(i for i, one in enumerate(self.ones) if one.entity == entity and kind in (None, one.kind))
        return [self._told(row, date) for date in range(self.outcome.blocked.shape[1])]

    def _told(self, row: int, date: int) -> str:
        if not self.outcome.shown[row, date]:
            return "-"
        blocked, reason = self.outcome.blocked[row, date], self.outcome.reason[row, date]
        if blocked == NONE:
            return "done" if self.outcome.detected[row, date] else ""
        return tuple(PLAN_REASONS)[reason] if GUARDS[blocked] == "plan" else GUARDS[blocked]

    def issued(self, date: int = 0) -> set[int]:
        return {one.entity for i, one in enumerate(self.ones) if self._told(i, date) == ""}


def planned(*ones: One, dates: int = 1, room: float = 0.0, policy: Policy | None = None) -> Plan:
    def spread(values: list[object]) -> np.ndarray:
        return np.array([value if isinstance(value, list) else [value] * dates for value in values])

    def on(dates_of: list[int | None]) -> np.ndarray:
        return np.array([[date == at for date in range(dates)] for at in dates_of])

    p = spread([one.p for one in ones]).astype(np.float64)
    guards = spread([NONE if one.guard is None else GUARDS.index(one.guard) for one in ones])
    weight: FloatArray = np.log(p / (1.0 - p))
    seen = Look(
        in_force=spread([one.in_force for one in ones]),
        enters=spread([one.enters for one in ones]),
        weight=weight,
        probability=p,
        blocked_new=guards,
        blocked_standing=guards,
        money=spread([one.money for one in ones]).astype(np.float64),
        frees=spread([one.frees for one in ones]).astype(np.float64),
        parent_is_active=spread([one.parent_is_active for one in ones]),
        running_siblings=spread([one.running_siblings for one in ones]),
        expected_today=spread([one.expected for one in ones]),
        dismissed=on([one.dismissed_on for one in ones]),
        dismissed_weight=spread([np.log(one.dismissed_p / (1 - one.dismissed_p)) for one in ones]),
        applied=on([one.applied_on for one in ones]),
        changed=on([one.changed_on for one in ones]),
        room=np.full((ACCOUNTS, dates), room),
    )
    parent = [
        (PARENT_OF_CAMPAIGNS + one.account, one.campaign, one.adset if one.adset != NONE else one.campaign)[
            one.level
        ]
        for one in ones
    ]
    candidates = Candidates(
        account=np.array([one.account for one in ones]),
        level=np.array([one.level for one in ones]),
        kind=np.array([TYPES.index(one.kind) for one in ones]),
        entity=np.array([one.entity for one in ones]),
        above=np.array([[one.campaign, one.adset] for one in ones]),
        parent=np.array([max(number, 0) for number in parent]),
        entities=PARENT_OF_CAMPAIGNS + ACCOUNTS,
    )
    window = Window(0, dates, tuple(range(dates)))
    return Plan(replay_plan(candidates, seen, window, policy or Policy()), list(ones))


def test_one_action_per_entity_the_one_that_saves_money_before_the_one_that_is_worth_more() -> None:
    plan = planned(
        One(1, "CREATIVE_TEST", money=500.0),
        One(1, "PAUSE", money=1.0),
        One(2, "CREATIVE_REFRESH", money=1.0),
        One(2, "CREATIVE_WINNER", money=2.0),
    )
    assert plan.of(1, "PAUSE") == [""]
    assert plan.of(1, "CREATIVE_TEST") == ["other_action_first"]
    assert plan.of(2, "CREATIVE_WINNER") == [""]
    assert plan.of(2, "CREATIVE_REFRESH") == ["other_action_first"]


def test_below_a_pause_nothing_is_advised_and_below_a_cut_nothing_grows() -> None:
    plan = planned(
        One(1, "PAUSE", CAMPAIGN),
        One(2, "CREATIVE_REFRESH", AD, campaign=1, adset=8),
        One(3, "BUDGET_DECREASE", ADSET, campaign=9),
        *(
            One(number, kind, AD, campaign=9, adset=3)
            for number, kind in enumerate(("SCALE_UP", "REACTIVATE", "CREATIVE_REFRESH", "PAUSE"), start=20)
        ),
    )
    assert plan.of(2) == ["level_above"]
    assert [plan.of(number)[0] for number in range(20, 24)] == ["level_above", "level_above", "", ""]
    row = 1
    assert plan.outcome.above[row, 0] == 1
    assert TYPES[plan.outcome.above_kind[row, 0]] == "PAUSE"


def test_a_pause_above_that_a_guard_blocks_stands_in_nobodys_way() -> None:
    plan = planned(
        One(1, "PAUSE", CAMPAIGN, guard="recent_edit"), One(2, "SCALE_UP", AD, campaign=1, adset=8)
    )
    assert plan.of(1) == ["recent_edit"]
    assert plan.of(2) == [""]


def test_a_pause_above_that_fell_below_the_fold_still_stands_in_the_way() -> None:
    ones = [One(number, "PAUSE", CAMPAIGN, money=100.0 - number) for number in range(5)]
    plan = planned(*ones, One(20, "SCALE_UP", AD, campaign=4, adset=8))
    assert plan.of(4) == ["below_the_fold"]
    assert plan.of(20) == ["level_above"]


def test_what_cannot_deliver_is_not_spoken_of() -> None:
    assert planned(One(1, "SCALE_UP", campaign=5, adset=6, parent_is_active=False)).of(1) == ["level_above"]


def test_an_only_child_leaves_the_word_to_its_parent() -> None:
    above = One(1, "AUDIENCE_REVIEW", ADSET, campaign=9)
    twin = One(2, "AUDIENCE_REVIEW", AD, campaign=9, adset=1, running_siblings=0.0)
    other = One(3, "AUDIENCE_REVIEW", AD, campaign=9, adset=1, running_siblings=1.0)
    plan = planned(above, twin, other)
    assert (plan.of(2), plan.of(3)) == (["level_above"], [""])


def test_of_all_that_run_under_a_parent_the_least_sure_pause_is_not_given() -> None:
    ones = [
        One(number, "PAUSE", campaign=9, adset=8, p=p, running_siblings=2.0)
        for number, p in ((1, 0.99), (2, 0.96), (3, 0.98))
    ]
    plan = planned(*ones)
    assert [plan.of(number)[0] for number in (1, 2, 3)] == ["", "last_active_child", ""]
    assert planned(*ones[:2]).issued() == {1, 2}
    assert planned(One(1, "PAUSE", campaign=9, adset=8, running_siblings=0.0)).of(1) == ["last_active_child"]
    assert planned(One(1, "PAUSE", CAMPAIGN, running_siblings=0.0)).of(1) == [""]


def test_at_most_ten_are_issued_by_money_and_the_levels_share_them_from_the_top() -> None:
    ads = [One(number, "CREATIVE_REFRESH", money=float(number)) for number in range(1, 16)]
    assert planned(*ads).issued() == set(range(6, 16))
    campaigns = [One(100 + n, "PAUSE", CAMPAIGN, money=1000.0 + n) for n in range(5)]
    adsets = [One(200 + n, "AUDIENCE_REVIEW", ADSET, money=500.0 + n, campaign=300) for n in range(9)]
    plan = planned(*campaigns, *adsets, *ads)
    assert plan.issued() == {102, 103, 104, 206, 207, 208, 12, 13, 14, 15}
    assert plan.of(1) == ["below_the_fold"]
    two = planned(*ads, *(One(20 + n, "CREATIVE_REFRESH", account=1) for n in range(12)))
    assert len(two.issued()) == 20


def test_an_increase_is_paid_by_what_is_freed_and_by_nothing_else() -> None:
    grow = One(1, "SCALE_UP", CAMPAIGN, frees=-20.0, money=50.0)
    assert planned(grow).of(1) == ["budget"]
    cut = One(2, "BUDGET_DECREASE", CAMPAIGN, frees=20.0)
    assert planned(grow, cut).issued() == {1, 2}
    assert planned(grow, One(2, "BUDGET_DECREASE", CAMPAIGN, frees=19.0)).of(1) == ["budget"]
    assert planned(grow, One(2, "BUDGET_DECREASE", CAMPAIGN, frees=20.0, account=1)).of(1) == ["budget"]


def test_what_is_left_of_a_monthly_budget_pays_and_what_is_overdrawn_takes() -> None:
    grow = One(1, "SCALE_UP", CAMPAIGN, frees=-20.0)
    cut = One(2, "BUDGET_DECREASE", CAMPAIGN, frees=30.0)
    assert planned(grow, room=20.0).issued() == {1}
    assert planned(grow, cut, room=-10.0).issued() == {1, 2}
    assert planned(grow, cut, room=-11.0).of(1) == ["budget"]


def test_the_most_valuable_increase_is_paid_first_and_one_too_dear_leaves_its_turn() -> None:
    ones = [
        One(1, "SCALE_UP", CAMPAIGN, frees=-60.0, money=90.0),
        One(2, "SCALE_UP", CAMPAIGN, frees=-30.0, money=80.0),
        One(3, "SCALE_UP", CAMPAIGN, frees=-25.0, money=70.0),
    ]
    assert planned(*ones, room=90.0).issued() == {1, 2}
    assert planned(*ones, room=55.0).issued() == {2, 3}


def test_the_place_of_what_cannot_be_paid_goes_to_the_next_that_costs_nothing() -> None:
    dear = [One(n, "SCALE_UP", CAMPAIGN, frees=-20.0, money=90.0 + n) for n in range(3)]
    plan = planned(*dear, One(10, "PAUSE", CAMPAIGN, frees=0.0, money=5.0))
    assert plan.issued() == {10}


def test_growth_that_would_not_pay_is_not_advised_but_a_cut_is() -> None:
    plan = planned(One(1, "SCALE_UP", money=-1.0), One(2, "BUDGET_DECREASE", ADSET, money=-1.0, campaign=9))
    assert (plan.of(1), plan.of(2)) == (["no_gain"], [""])


def test_one_test_at_a_time_under_a_parent() -> None:
    tests = [One(n, "CREATIVE_TEST", campaign=9, adset=8, money=float(n)) for n in (1, 2)]
    plan = planned(*tests, One(3, "CREATIVE_TEST", campaign=9, adset=7))
    assert plan.issued() == {2, 3}


def test_ranks_follow_money_within_a_level() -> None:
    plan = planned(*(One(n, "CREATIVE_REFRESH", money=m) for n, m in ((1, 5.0), (2, 50.0), (3, 20.0))))
    assert plan.outcome.rank[:, 0].tolist() == [3, 1, 2]


def test_what_stands_is_displaced_only_by_what_is_worth_a_quarter_more() -> None:
    policy = Policy(issued_per_day=1)
    for later, issued in ((12.4, 1), (12.6, 2)):
        plan = planned(
            One(1, "CREATIVE_REFRESH", money=10.0), One(2, "CREATIVE_REFRESH", money=[1.0, later]),
            dates=2, policy=policy,
        )  # fmt: skip
        assert plan.issued(1) == {issued}


def test_what_was_withdrawn_stays_quiet_for_a_week_and_comes_back_as_a_new_case() -> None:
    there = [True, True, *[False] * 2, *[True] * 8]
    plan = planned(One(1, "SCALE_UP", in_force=there, enters=there), dates=12)
    assert plan.of(1) == ["", "", "-", "-", *["quiet"] * 5, "", "", ""]
    assert plan.outcome.first[0].tolist()[1] == 0
    assert plan.outcome.first[0].tolist()[9:] == [9, 9, 9]


def test_what_was_held_back_must_be_sure_again_on_the_day_it_is_given() -> None:
    plan = planned(One(1, "SCALE_UP", enters=[False, True, False]), dates=3)
    assert plan.of(1) == ["unsure_now", "", ""]


def test_a_dismissed_one_is_quiet_for_14_days() -> None:
    plan = planned(One(1, "SCALE_UP", dismissed_on=2), dates=20)
    assert plan.of(1) == ["", "", *["dismissed"] * 14, *[""] * 4]


def test_a_dismissed_one_comes_back_when_the_weight_of_evidence_grew_by_half() -> None:
    p = 0.97
    weight = 1.5 * np.log(p / (1 - p))
    enough = 1 / (1 + np.exp(-weight))
    for later, told in ((enough + 1e-6, ""), (enough - 1e-4, "dismissed")):
        plan = planned(One(1, "SCALE_UP", p=[p, p, p, later], dismissed_on=1), dates=4)
        assert plan.of(1) == ["", "dismissed", "dismissed", told]


def test_a_dismissal_at_even_odds_holds_too() -> None:
    plan = planned(One(1, "CREATIVE_TEST", p=0.5, dismissed_p=0.5, dismissed_on=1), dates=4)
    assert plan.of(1)[1:] == ["dismissed"] * 3


def test_a_dismissal_outlives_a_day_on_which_its_rule_was_not_in_force() -> None:
    plan = planned(One(1, "SCALE_UP", in_force=[True, True, False, True], dismissed_on=1), dates=4)
    assert plan.of(1) == ["", "dismissed", "-", "dismissed"]


def test_an_applied_one_cools_down_for_72_hours_or_three_expected_leads_whichever_is_longer() -> None:
    quick = planned(One(1, "SCALE_UP", applied_on=1), dates=7)
    assert quick.of(1) == ["", *["cooldown"] * 3, "", "", ""]
    slow = planned(One(1, "SCALE_UP", applied_on=1, expected=0.5), dates=10)
    assert slow.of(1) == ["", *["cooldown"] * 6, "", "", ""]


def test_a_cooldown_holds_for_every_action_on_the_entity_and_for_no_other_entity() -> None:
    plan = planned(
        One(1, "PAUSE", applied_on=1), One(1, "CREATIVE_REFRESH"), One(2, "CREATIVE_REFRESH"), dates=3
    )
    assert plan.of(1, "CREATIVE_REFRESH")[1:] == ["cooldown", "cooldown"]
    assert plan.of(2) == ["", "", ""]


def test_a_change_that_does_what_is_advised_ends_the_case_and_starts_the_cooldown() -> None:
    plan = planned(One(1, "SCALE_UP", changed_on=2), dates=5)
    assert plan.outcome.detected[0].tolist() == [False, False, True, False, False]
    assert plan.of(1) == ["", "", "cooldown", "cooldown", "cooldown"]
    gone = planned(One(1, "PAUSE", changed_on=1, in_force=[True, False]), dates=2)
    assert gone.of(1) == ["", "done"]


def test_a_change_that_nobody_had_advised_is_not_taken_for_following_advice() -> None:
    plan = planned(One(1, "SCALE_UP", guard="step", changed_on=1), dates=3)
    assert plan.of(1) == ["step", "step", "step"]
    assert not plan.outcome.detected.any()


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"quiet_days": 0}, ["", "-", "", ""]),
        ({"quiet_days": 2}, ["", "-", "quiet", ""]),
    ],
)
def test_quiet_days_are_the_policys(overrides: dict[str, float], told: list[str]) -> None:
    there = [True, False, True, True]
    plan = planned(
        One(1, "SCALE_UP", in_force=there, enters=there), dates=4, policy=Policy().changed(overrides, "other")
    )
    assert plan.of(1) == told


def test_a_random_plan_keeps_its_promises() -> None:
    kinds = {
        CAMPAIGN: ("PAUSE", "BUDGET_DECREASE", "SCALE_UP"),
        ADSET: ("PAUSE", "BUDGET_DECREASE", "SCALE_UP", "AUDIENCE_REVIEW"),
        AD: ("PAUSE", "SCALE_UP", "CREATIVE_REFRESH", "CREATIVE_WINNER"),
    }
    grows = {"SCALE_UP", "REACTIVATE", "AUDIENCE_EXPANSION", "BUDGET_INCREASE"}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        ones: list[One] = []
        for number in range(45):
            level = CAMPAIGN if number < 5 else ADSET if number < 15 else AD
            campaign = NONE if level == CAMPAIGN else int(rng.integers(5)) if level == ADSET else NONE
            adset = NONE
            if level == AD:
                adset = int(rng.integers(5, 15))
                campaign = next(one.campaign for one in ones if one.entity == adset)
            for kind in rng.choice(kinds[level], size=2, replace=False):
                frees = {"PAUSE": 50.0, "BUDGET_DECREASE": 10.0, "SCALE_UP": -20.0}.get(kind, 0.0)
                ones.append(
                    One(
                        number, str(kind), level, campaign=campaign, adset=adset,
                        money=float(rng.normal(20, 20)), frees=frees if level != AD else 0.0,
                        running_siblings=float(rng.integers(0, 4)),
                    )
                )  # fmt: skip
        room = float(rng.choice([0.0, 30.0, -30.0]))
        plan = planned(*ones, room=room)
        given = [one for i, one in enumerate(plan.ones) if plan.outcome.blocked[i, 0] == NONE]
        assert len(given) <= 10
        assert len({one.entity for one in given}) == len(given)
        asked, freed = (sum(max(sign * one.frees, 0.0) for one in given) for sign in (-1.0, 1.0))
        assert asked <= max(freed + room, 0.0) + 1e-6
        of = {one.entity: one.kind for one in given}
        for one in given:
            for upper in (one.campaign, one.adset if one.level == AD else NONE):
                assert of.get(upper) != "PAUSE"
                assert not (of.get(upper) == "BUDGET_DECREASE" and one.kind in grows)
