import datetime as dt
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_assets.frames import fill_missing
from ml_assets.recommendations.comparison import differences, flips, issued, summarise
from ml_assets.recommendations.frames import DECISIONS

FIRST = dt.date(2026, 3, 1)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def decisions(*rows: tuple[str, str, int], **values: Any) -> pl.DataFrame:
    """Decisions on ads from (ad, type, day number)."""
    columns: dict[str, Any] = {
        "config_id": [1] * len(rows),
        "entity_type": ["ad"] * len(rows),
        "entity_id": [row[0] for row in rows],
        "recommendation_type": [row[1] for row in rows],
        "recommendation_date": [day(row[2]) for row in rows],
        "money_per_week": [70.0] * len(rows),
    }
    frame = pl.DataFrame(columns, schema={name: DECISIONS[name] for name in columns}).with_columns(
        pl.lit(value, dtype=DECISIONS[name]).alias(name) for name, value in values.items()
    )
    return fill_missing(frame, DECISIONS)


def on_days(*numbers: int) -> pl.DataFrame:
    return decisions(*(("1", "PAUSE", number) for number in numbers))


@pytest.mark.parametrize(
    ("stood_on", "flipped"),
    [
        ((0, 1, 2), [False]),
        ((0, 1, 4, 5), [True, False]),
        ((0, 7), [True, False]),
        ((0, 8), [False, False]),
        ((0, 2, 4), [True, True, False]),
    ],
    ids=["never withdrawn", "back after two days", "back on the 7th day", "back on the 8th", "twice"],
)
def test_advice_flips_when_it_comes_back_within_a_week_of_its_withdrawal(
    stood_on: tuple[int, ...], flipped: list[bool]
) -> None:
    assert flips(on_days(*stood_on))["is_flip"].to_list() == flipped


def test_a_date_that_nobody_decided_withdraws_nothing() -> None:
    stood = on_days(0, 1, 3, 4)
    cases = flips(stood, dates=[day(number) for number in (0, 1, 3, 4)])
    assert cases.select("dates", "is_flip", "withdrawn_on").rows() == [(4, False, None)]


def test_a_case_knows_when_it_was_withdrawn_and_given_again() -> None:
    cases = flips(on_days(0, 1, 5), dates=[day(number) for number in range(10)])
    assert cases.select("first_date", "last_date", "withdrawn_on", "given_again_on").rows() == [
        (day(0), day(1), day(2), day(5)),
        (day(5), day(5), day(6), None),
    ]


def test_another_type_or_entity_is_another_case() -> None:
    rows = decisions(("1", "PAUSE", 0), ("1", "BUDGET_DECREASE", 2), ("2", "PAUSE", 4))
    assert not flips(rows)["is_flip"].any()


def test_flips_do_not_depend_on_the_order_of_rows() -> None:
    rows = decisions(*((ad, "PAUSE", number) for ad in "123" for number in (0, 1, 4, 8)))
    assert_frame_equal(flips(rows), flips(rows.sample(fraction=1.0, shuffle=True, seed=3)))


def test_nothing_issued_has_no_cases_and_an_empty_sum() -> None:
    nothing = decisions()
    assert flips(nothing).is_empty()
    total = summarise(nothing, [FIRST])
    assert total.select("recommendations", "cases", "entities", "flips", "money_per_week").rows() == [
        (0, 0, 0, 0, 0.0)
    ]


def test_blocked_advice_and_advice_that_was_done_already_is_not_shown_to_anyone() -> None:
    done = dt.datetime(2026, 3, 1, 15, tzinfo=dt.UTC)
    rows = pl.concat(
        [
            decisions(("1", "PAUSE", 0)),
            decisions(("2", "PAUSE", 0), blocked_by="learning"),
            decisions(("3", "PAUSE", 0), detected_at=done),
        ]
    )
    assert issued(rows)["entity_id"].to_list() == ["1"]


def test_money_promised_is_that_of_the_plan_of_an_average_date() -> None:
    rows = decisions(("1", "PAUSE", 0), ("1", "PAUSE", 1), ("2", "SCALE_UP", 1))
    summary = summarise(rows, [day(0), day(1), day(2)])
    assert summary.select("recommendation_type", "recommendations", "cases", "money_per_week").rows() == [
        ("PAUSE", 2, 1, pytest.approx(140 / 3)),
        ("SCALE_UP", 1, 1, pytest.approx(70 / 3)),
        (None, 3, 2, pytest.approx(70.0)),
    ]


def test_two_policies_differ_where_advice_stands_on_other_dates_and_the_silent_one_says_why() -> None:
    loose = decisions(("1", "PAUSE", 0), ("1", "PAUSE", 1), ("2", "PAUSE", 0), ("3", "SCALE_UP", 1))
    strict = pl.concat(
        [
            decisions(("1", "PAUSE", 1), ("2", "PAUSE", 0)),
            decisions(("3", "SCALE_UP", 1), blocked_by="cooldown"),
            decisions(("4", "PAUSE", 0)),
        ]
    )
    rows = differences(loose, strict)
    shown = rows.select("entity_id", "issued_under", "dates_a", "dates_b", "dates_both", "blocked_by").sort(
        "entity_id"
    )
    assert shown.rows() == [
        ("1", "both", 1, 0, 1, None),
        ("3", "A", 1, 0, 0, "cooldown"),
        ("4", "B", 0, 1, 0, None),
    ]
    assert differences(loose, loose).is_empty()


def test_the_difference_with_most_money_comes_first() -> None:
    small = decisions(*(("1", "PAUSE", number) for number in range(3)), money_per_week=10.0)
    large = decisions(("2", "PAUSE", 0), money_per_week=-50.0)
    rows = differences(pl.concat([small, large]), decisions())
    assert rows["entity_id"].to_list() == ["2", "1"]
