"""Where a change comes from: the lowest entity that carries it, or the one all of whose children moved."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ml_assets_tests.anomalies.accounts_made import DAYS, LEVELS, Change, Made, followed, inputs_of

Found = set[tuple[str, str, int]]
"""(metric, entity, sign) of roots."""

ACCOUNT = "the account"


def case(*changes: Change, **fields: Any) -> Made:
    """Three campaigns of two adsets of two ads, and what changed on the last day."""
    return Made(changes=changes, **fields)


def spend(*entities: str, sign: int = -1) -> Found:
    return {("spend", entity, sign) for entity in entities}


CASES: dict[str, tuple[Made, Found]] = {
    "a calm day": (case(), set()),
    "a campaign stops with all below it": (case(Change("spend", "c1", 0.0), adsets=3, ads=3), spend("c1")),
    "a campaign spends fourfold": (case(Change("spend", "c2", 4.0)), spend("c2", sign=1)),
    "an adset spends fourfold": (case(Change("spend", "c2s1", 4.0)), spend("c2s1", sign=1)),
    "an ad spends fourfold": (case(Change("spend", "c2s1a2", 4.0)), spend("c2s1a2", sign=1)),
    # CPM is judged given spend, CTR given views, leads given clicks: nothing else moves with it.
    "a campaign's CPM": (case(Change("cpm", "c2", 2.5)), {("cpm", "c2", 1)}),
    "an adset's CPM": (case(Change("cpm", "c2s1", 2.5)), {("cpm", "c2s1", 1)}),
    "an ad's CPM": (case(Change("cpm", "c2s1a2", 2.5)), {("cpm", "c2s1a2", 1)}),
    # Of two adsets the campaign fell by half, and passes the gates itself.
    "an adset stops in a healthy campaign": (case(Change("spend", "c1s2", 0.0)), spend("c1s2")),
    "the only ad of the only adset": (case(Change("spend", "c1s1a1", 0.0), adsets=1, ads=1), spend("c1")),
    "the only ad of one of two adsets": (
        case(Change("spend", "c1s1a1", 0.0), adsets=2, ads=1),
        spend("c1s1"),
    ),
    "one of two ads of the only adset": (
        case(Change("spend", "c1s1a1", 0.0), adsets=1, ads=2),
        spend("c1s1a1"),
    ),
    "all ads of the only adset": (case(Change("spend", "c1", 0.0), adsets=1, ads=3), spend("c1")),
    "one of the ads of the only campaign": (
        case(Change("spend", "c1s1a1", 0.0), campaigns=1, adsets=1, ads=2),
        spend("c1s1a1"),
    ),
    "the only campaign": (case(Change("spend", "c1", 0.0), campaigns=1), spend("c1")),
    "all of the account's CPM": (case(Change("cpm", None, 1.7)), {("cpm", ACCOUNT, 1)}),
    "all of the account's spend": (case(Change("spend", None, 0.0)), spend(ACCOUNT)),
    "both campaigns are too few to speak of the account": (
        case(Change("spend", None, 0.0), campaigns=2),
        spend("c1", "c2"),
    ),
    "most campaigns are not the account": (
        case(*(Change("cpm", f"c{number}", 2.0) for number in (1, 2, 3)), campaigns=5),
        {("cpm", "c1", 1), ("cpm", "c2", 1), ("cpm", "c3", 1)},
    ),
    "a campaign of nearly all the spend is not the account": (
        case(Change("spend", "c1", 20.0, DAYS - 1), Change("spend", "c1", 0.3)),
        spend("c1"),
    ),
    "one up and one down": (
        case(Change("spend", "c1", 3.0), Change("spend", "c2", 0.0)),
        spend("c1", sign=1) | spend("c2"),
    ),
    "an ad stops in a campaign that spends more": (
        case(Change("spend", "c1s1a1", 0.0), Change("spend", "c1s2", 3.0)),
        spend("c1s1a1") | spend("c1s2", sign=1),
    ),
    "two metrics of two campaigns": (
        case(Change("spend", "c1", 0.0), Change("cpm", "c3s1", 2.5)),
        spend("c1") | {("cpm", "c3s1", 1)},
    ),
    "where only campaigns are delivered": (
        case(Change("spend", "c1s1", 0.0), levels=LEVELS[:1]),
        spend("c1"),
    ),
}


def roots_of(*made: Made) -> list[Found]:
    """The roots of each account's last day; all accounts are gone through at once."""
    accounts = [replace(one, config_id=number) for number, one in enumerate(made, start=1)]
    panel, days = followed(inputs_of(*accounts))
    found: list[Found] = [set() for _ in made]
    for roots in days[-1].roots:
        for step, row, sign in zip(roots.step.tolist(), roots.row.tolist(), roots.sign.tolist(), strict=True):
            keys = panel.steps[step].keys.row(row, named=True)
            name = keys["entity_id"] if step else ACCOUNT
            one = (roots.metric, name, sign)
            assert one not in found[keys["config_id"] - 1], "a root is found once"
            found[keys["config_id"] - 1].add(one)
    return found


@cache
def found() -> dict[str, Found]:
    return dict(zip(CASES, roots_of(*(made for made, _ in CASES.values())), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_the_root_of_a_change_is(name: str) -> None:
    # Leads per spend move with CPM and CTR: they are looked at again where incidents are made.
    assert {root for root in found()[name] if root[0] != "cpl"} == CASES[name][1]


def test_leads_that_are_gone_are_rooted_where_they_are_gone_in_both_views_of_them() -> None:
    entities = ("c2", "c2s2", None)
    for entity_id, roots in zip(
        entities, roots_of(*(case(Change("cvr", entity_id, 0.0)) for entity_id in entities)), strict=True
    ):
        assert {metric for metric, _, _ in roots} <= {"cvr", "cpl"}
        assert {(name, sign) for _, name, sign in roots} == {(entity_id or ACCOUNT, -1)}


PAIRS = (
    ("c1", "c2s1"),
    ("c1s1", "c1s2a1"),
    ("c1s1a1", "c1s1a2"),
    ("c1", "c1s1a1"),
    ("c1s1", "c1s2"),
    ("c1s1a1", "c2s3a3"),
)


def test_no_root_lies_in_another_of_its_metric_and_sign_and_every_cause_has_one() -> None:
    made = [
        case(Change("spend", first, 0.2), Change("spend", second, 0.1), adsets=3, ads=3)
        for first, second in PAIRS
    ]
    for causes, roots in zip(PAIRS, roots_of(*made), strict=True):
        names = [entity for _, entity, _ in roots]
        for one in names:
            assert not [other for other in names if other != one and other.startswith(one)], causes
        for cause in causes:
            assert [name for name in names if cause.startswith(name) or name.startswith(cause)], causes
