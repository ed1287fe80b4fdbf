"""Scoring of incidents on cases made by hand: each test fails where the count would be flattered."""

import datetime as dt
from typing import Any

import polars as pl
import pytest

from benchmarks.anomalies.score import (
    first_grave,
    first_issued,
    issued,
    outcomes,
    per_cause,
    reasons,
    touched,
)
from benchmarks.anomalies.truth import Happened, answers, lone_parents, make_kin
from ml_assets.anomalies.frames import INCIDENTS
from ml_assets.frames import fill_missing

FIRST = dt.date(2026, 6, 1)
PLACES = pl.DataFrame(
    [
        ("campaign", "c", None, "c"),
        ("adset", "s", "c", "c"),
        ("adset", "s2", "c", "c"),
        ("ad", "a", "s", "c"),
        ("ad", "b", "s2", "c"),
        ("ad", "b2", "s2", "c"),
        ("campaign", "other", None, "other"),
    ],
    schema=["entity_type", "entity_id", "parent_id", "campaign_id"],
    orient="row",
).with_columns(created_on=pl.lit(dt.date(2026, 1, 1)))
LEVEL = dict(PLACES.select("entity_id", "entity_type").rows()) | {"x": "account"}


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def incident(root: str, kind: str, onset: int, on: int | None = None, **columns: Any) -> dict[str, Any]:
    """An incident that began on `onset` as it is evaluated on day `on`: open, issued and seen on that day."""
    on = onset if on is None else on
    return {
        "config_id": 1,
        "entity_type": LEVEL[root],
        "entity_id": root,
        "kind": kind,
        "onset_date": day(onset),
        "last_date": day(on),
        "evaluated_date": day(on),
        "incident_id": f"{root} {kind} {onset}",
        "status": "open",
        "severity": "MEDIUM",
        "alert_rank": 1,
        **columns,
    }


def found(*rows: dict[str, Any]) -> pl.DataFrame:
    return fill_missing(pl.DataFrame(list(rows)), INCIDENTS)


def happened(
    injected: list[tuple[str, str, int, int]] | None = None,
    others: list[tuple[str, str, int]] | None = None,
    *,
    silent: tuple[str, int] | None = None,
) -> Happened:
    """`injected`: root, kind, first and last day; `others`: root, cause, day."""
    expected = (
        PLACES.select("entity_type", "entity_id")
        .join(pl.DataFrame({"date": [day(number) for number in range(-10, 20)]}), how="cross")
        .with_columns(spend=pl.lit(50.0))
    )
    if silent:
        is_silent = (pl.col("entity_id") == silent[0]) & (pl.col("date") == day(silent[1]))
        expected = expected.filter(~is_silent)
    days = pl.DataFrame(
        [
            (number, kind, LEVEL[root], root, day(first), day(last), day(at), at - first + 1)
            for number, (root, kind, first, last) in enumerate(injected or [])
            for at in range(first, last + 1)
        ],
        schema={
            "number": pl.Int64, "kind": pl.String, "entity_type": pl.String, "entity_id": pl.String,
            "onset": pl.Date, "last_date": pl.Date, "date": pl.Date, "day": pl.Int64,
        },
        orient="row",
    )  # fmt: skip
    causes = pl.DataFrame(
        [(LEVEL[root], root, day(at), cause, None, None) for root, cause, at in others or []],
        schema={
            "entity_type": pl.String, "entity_id": pl.String, "date": pl.Date, "cause": pl.String,
            "number": pl.Int64, "injected": pl.String,
        },
        orient="row",
    )  # fmt: skip
    names = ["entity_type", "entity_id", "date"]
    of_incidents = days.select(*names, pl.lit("incident").alias("cause"), "number", injected="kind")
    return Happened(
        incidents=days,
        answers=answers(days.select("number", "date", *names[:2]), lone_parents(expected, PLACES)),
        kin=make_kin(PLACES, "x"),
        causes=pl.concat([of_incidents, causes]),
        places=PLACES,
        expected=expected,
    )


def is_false(what: dict[str, Any], truth: Happened) -> bool:
    return touched(found(what), truth)["is_false"].item()


def test_a_cause_excuses_its_own_ancestors_and_descendants_but_no_sibling() -> None:
    truth = happened([("s", "CTR_DROP", 2, 4)])
    assert not is_false(incident("s", "CPL_SPIKE", 3), truth)
    assert not is_false(incident("c", "CPL_SPIKE", 3), truth)
    assert not is_false(incident("a", "CPL_SPIKE", 3), truth)
    assert is_false(incident("s2", "CPL_SPIKE", 3), truth)
    assert is_false(incident("b", "CPL_SPIKE", 3), truth)
    assert is_false(incident("other", "CPL_SPIKE", 3), truth)


def test_a_cause_excuses_its_days_alone() -> None:
    truth = happened([("s", "CTR_DROP", 2, 4)])
    assert is_false(incident("s", "CTR_SPIKE", 5), truth)
    assert is_false(incident("s", "CTR_DROP", 1), truth)
    assert not is_false(incident("s", "CTR_DROP", 1, on=2), truth)


def test_an_accounts_incident_is_excused_by_what_moves_the_account_alone() -> None:
    truth = happened([("s", "CPM_SPIKE", 2, 4)], [("c", "edit", 2)])
    assert is_false(incident("x", "CPM_SPIKE", 2), truth)
    moved = happened([("x", "CPM_SPIKE", 2, 4)])
    assert not is_false(incident("x", "CPM_SPIKE", 2), moved)
    assert not is_false(incident("a", "CPM_SPIKE", 2), moved)


def test_a_pause_excuses_what_it_stopped_and_not_what_goes_on_around_it() -> None:
    truth = happened(others=[("a", "pause", 3)])
    assert not is_false(incident("a", "ZERO_SPEND", 3), truth)
    assert is_false(incident("s", "SPEND_DROP", 3), truth)
    assert not is_false(incident("a", "ZERO_SPEND", 3), happened(others=[("c", "pause", 3)]))
    assert not is_false(incident("s", "SPEND_DROP", 3), happened(others=[("a", "edit", 3)]))


def test_fatigue_excuses_a_falling_ctr_of_the_ad_alone() -> None:
    truth = happened(others=[("b", "fatigue", 3)])
    assert not is_false(incident("b", "CTR_DROP", 3), truth)
    assert is_false(incident("b", "CPM_SPIKE", 3), truth)
    assert is_false(incident("s2", "CTR_DROP", 3), truth)


def test_an_incident_counts_once_on_the_first_date_it_is_issued_and_once_when_it_grows_grave() -> None:
    frame = found(
        incident("s", "CTR_DROP", 1, alert_rank=None),
        incident("s", "CTR_DROP", 1, on=2),
        incident("s", "CTR_DROP", 1, on=3, severity="HIGH"),
        incident("s", "CTR_DROP", 1, on=4, severity="HIGH", status="closed"),
    )
    assert first_issued(frame)["evaluated_date"].to_list() == [day(2)]
    assert first_grave(frame)["evaluated_date"].to_list() == [day(3)]
    assert issued(frame).height == 2


def outcome(what: list[dict[str, Any]], truth: Happened) -> dict[str, Any]:
    return outcomes(found(*what), truth).to_dicts()[0]


def test_a_catch_is_the_right_entity_or_the_parent_of_an_only_child() -> None:
    only_child = happened([("a", "CTR_DROP", 2, 5)])
    assert outcome([incident("a", "CTR_DROP", 2)], only_child)["caught"] == 1
    assert outcome([incident("s", "CTR_DROP", 3)], only_child)["caught"] == 2
    parent_of_two = outcome([incident("c", "CTR_DROP", 2)], only_child)
    assert (parent_of_two["noticed"], parent_of_two["caught"]) == (1, None)
    assert parent_of_two["root_is_right"] is False
    assert parent_of_two["named"] == "campaign"
    one_of_two = outcome([incident("s2", "CTR_DROP", 2)], happened([("b", "CTR_DROP", 2, 5)]))
    assert one_of_two["caught"] is None


@pytest.mark.parametrize(
    ("injected", "said", "is_caught"),
    [
        ("ZERO_SPEND", "SPEND_DROP", True),
        ("ZERO_SPEND", "SPEND_SPIKE", False),
        ("TRACKING_BREAK", "CVR_DROP", True),
        ("TRACKING_BREAK", "CPL_SPIKE", False),
        ("CTR_DROP", "CVR_DROP", False),
        ("CPM_SPIKE", "CPM_SPIKE", True),
    ],
)
def test_a_catch_has_the_right_metric_and_direction(injected: str, said: str, is_caught: bool) -> None:
    got = outcome([incident("s2", said, 2)], happened([("s2", injected, 2, 5)]))
    assert (got["caught"] == 1) is is_caught
    assert (got["noticed"] == 1) is is_caught


def test_what_was_false_before_the_onset_and_is_over_catches_nothing() -> None:
    truth = happened([("s2", "CTR_DROP", 2, 5)])
    over = incident("s2", "CTR_DROP", 0, on=2, last_date=day(1))
    assert outcome([over], truth)["caught"] is None
    above = incident("c", "CTR_DROP", 0, on=2)
    assert outcome([above], truth)["noticed"] is None
    assert outcome([incident("s2", "CTR_DROP", 0, on=2)], truth)["caught"] == 1


def test_below_the_fold_is_caught_and_not_issued() -> None:
    truth = happened([("s2", "CTR_DROP", 2, 5)])
    rows = [incident("s2", "CTR_DROP", 2, alert_rank=None), incident("s2", "CTR_DROP", 2, on=4)]
    got = outcome(rows, truth)
    assert (got["caught"], got["issued"]) == (1, 3)


def test_an_account_named_for_one_adset_is_no_catch() -> None:
    got = outcome([incident("x", "CPM_SPIKE", 2)], happened([("s2", "CPM_SPIKE", 2, 5)]))
    assert got["noticed"] is None
    moved = outcome([incident("x", "CPM_SPIKE", 2)], happened([("x", "CPM_SPIKE", 2, 5)]))
    assert moved["caught"] == 1


def test_two_alarms_of_one_cause_are_two() -> None:
    truth = happened([("s2", "ZERO_SPEND", 2, 5)])
    scored = touched(found(incident("s2", "ZERO_SPEND", 2), incident("b", "LEADS_DROP", 3)), truth)
    assert per_cause(first_issued(scored)).rows() == [(0, 2, 1)]


def test_false_incidents_are_put_down_to_what_was_near() -> None:
    truth = happened(
        [("s", "CTR_DROP", 2, 4)], [("s2", "edit", 10), ("other", "edit", 1)], silent=("other", 12)
    )
    frame = found(
        incident("s", "CTR_SPIKE", 5),
        incident("b", "SPEND_SPIKE", 4),
        incident("a", "CPL_DROP", 13),
        incident("other", "ZERO_SPEND", 12),
        incident("other", "CPM_DROP", 3),
    )
    scored = touched(frame, truth)
    assert scored["is_false"].all()
    assert reasons(scored, truth)["reason"].to_list() == [
        "after an injected incident",
        "injected incident at a sibling",
        "nothing",
        "a silent day",
        "after an edit or pause",
    ]
