"""New figures touch their own days, what was made of them, and nothing else."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from ml_assets.entities import LEVELS, EntityType
from ml_assets.timetable.affected import DOWNSTREAM, FIGURES, Part, Stage, changed_days, parts_of

CAMPAIGN, ADSET, AD = EntityType
FIRST = dt.date(2026, 3, 1)
FINISHED = dt.date(2026, 3, 20)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def test_a_day_changed_when_it_was_read_again_or_a_loader_added_what_was_read_long_ago() -> None:
    before = {"2026-03-01": ("b", 3), "2026-03-02": ("b", 3)}
    assert changed_days(before, before) == []
    assert changed_days(before, {**before, "2026-03-02": ("c", 4)}) == [day(1)]
    assert changed_days(before, {**before, "2026-03-01": ("b", 4)}) == [day(0)]
    assert changed_days(before, {**before, "2026-03-05": ("a", 1)}) == [day(4)]
    assert changed_days(before, {**before, "2026-03-01": ("b", 2)}) == []  # thinned out
    assert changed_days(before, {"2026-03-02": ("b", 3)}) == []  # no longer watched


def test_what_was_judged_is_judged_again_and_the_running_day_only_conformed() -> None:
    made = {(asset, level): {day(0), day(1), day(30)} for asset in DOWNSTREAM for level in LEVELS}
    for level in LEVELS:
        made["forecasts", level] = {day(1)}
    without = tuple(asset for asset in DOWNSTREAM if asset != "forecasts")
    assert parts_of([day(0), day(1), day(5), day(30)], made, FINISHED) == [
        Part(day(0), day(0), (Stage((FIGURES, *without), LEVELS),)),
        Part(day(1), day(1), (Stage((FIGURES, *DOWNSTREAM), LEVELS),)),
        Part(day(5), day(5), (Stage((FIGURES,), LEVELS),)),
        Part(day(30), day(30), (Stage((FIGURES,), LEVELS),)),
    ]


def test_levels_that_were_never_made_are_not_made_now_and_what_rests_on_others_comes_after_them() -> None:
    made = {(asset, level): {day(0)} for asset in DOWNSTREAM for level in LEVELS}
    made["forecasts", AD] = set()
    assert parts_of([day(0)], made, FINISHED)[0].stages == (
        Stage((FIGURES, "features", "classifications", "anomalies"), LEVELS),
        Stage(("forecasts",), (CAMPAIGN, ADSET)),
        Stage(("recommendations",), LEVELS),
    )
    # No range of partitions spans campaigns and ads without what is between.
    apart = {("anomalies", CAMPAIGN): {day(0)}, ("anomalies", AD): {day(0)}}
    assert parts_of([day(0)], apart, FINISHED)[0].stages == (
        Stage((FIGURES,), LEVELS),
        Stage(("anomalies",), (CAMPAIGN,)),
        Stage(("anomalies",), (AD,)),
    )


@given(st.sets(st.integers(0, 25)), st.sets(st.integers(0, 25)))
def test_every_day_is_in_one_part_and_no_other_day_in_any(changed: set[int], judged: set[int]) -> None:
    made = {(asset, CAMPAIGN): {day(number) for number in judged} for asset in DOWNSTREAM}
    parts = parts_of([day(number) for number in changed], made, FINISHED)
    covered = [
        part.start + dt.timedelta(days=number)
        for part in parts
        for number in range((part.end - part.start).days + 1)
    ]
    assert sorted(covered) == sorted(day(number) for number in changed)
    assert all(part.has([covered_day]) for part in parts for covered_day in (part.start, part.end))
