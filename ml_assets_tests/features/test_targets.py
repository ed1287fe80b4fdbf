"""T: the campaign's target, else the account's, else the account's own recent CPL, frozen per ISO week."""

import datetime as dt

import pytest

from ml_assets_tests.features.frames_made import (
    D,
    Row,
    account,
    campaign,
    day,
    every_day,
    feature_inputs,
    features_of,
    figures,
    row_of,
    small_tree,
)

SUNDAY = 3
"""Days before `D`, a Wednesday, on which the last ISO week ended."""


def target(
    rows: list[Row], of_account: float | None = None, of_campaign: float | None = None, **kinds: str
) -> Row:
    tree = small_tree()
    tree[0] |= {"target_cpl": of_campaign, **kinds}
    tree.append(campaign("c2", objective="OUTCOME_TRAFFIC"))
    inputs = feature_inputs(tree, rows, accounts=[account(target_cpl=of_account)])
    return row_of(features_of(inputs, "campaign"), "c1")


ORDINARY = every_day("campaign", "c1", range(40))


def test_the_campaigns_target_comes_before_the_accounts() -> None:
    row = target(ORDINARY, of_account=15.0, of_campaign=25.0)
    assert (row["target_cpl"], row["target_source"]) == (25.0, "campaign")
    row = target(ORDINARY, of_account=15.0)
    assert (row["target_cpl"], row["target_source"]) == (15.0, "account")


def test_without_a_target_it_is_the_accounts_own_cpl() -> None:
    row = target(ORDINARY)
    assert row["target_source"] == "own_cpl"
    assert row["target_cpl"] == pytest.approx(20.0 / 2)


def test_a_target_of_zero_is_none() -> None:
    assert target(ORDINARY, of_account=0.0)["target_source"] == "own_cpl"


def test_the_spend_of_the_running_week_does_not_move_the_own_cpl() -> None:
    dear = [figures("campaign", "c1", day(back), spend=900.0, leads=1) for back in range(SUNDAY)]
    before = every_day("campaign", "c1", range(SUNDAY, 40))
    assert target([*dear, *before])["target_cpl"] == pytest.approx(10.0)
    on_sunday = [figures("campaign", "c1", day(SUNDAY), spend=900.0, leads=1)]
    assert target([*on_sunday, *every_day("campaign", "c1", range(SUNDAY + 1, 40))])["target_cpl"] > 11.0


def test_every_date_of_an_iso_week_has_the_same_own_cpl() -> None:
    rows = [figures("campaign", "c1", day(back), spend=20.0 + back**1.5) for back in range(60)]
    inputs = feature_inputs(small_tree(), rows, accounts=[account(target_cpl=None)])
    features = features_of(inputs, "campaign", [day(back) for back in range(16)])
    by_week: dict[tuple[int, int], set[float]] = {}
    for date, value in features.select("feature_date", "target_cpl").iter_rows():
        by_week.setdefault(date.isocalendar()[:2], set()).add(value)
    assert all(len(values) == 1 for values in by_week.values())
    assert len(set.union(*by_week.values())) == len(by_week)


def test_the_own_cpl_covers_twenty_eight_days() -> None:
    rows = [*every_day("campaign", "c1", range(SUNDAY, SUNDAY + 28)),
            *every_day("campaign", "c1", range(SUNDAY + 28, 60), spend=900.0)]  # fmt: skip
    assert target(rows)["target_cpl"] == pytest.approx(10.0)


def test_spend_that_does_not_seek_leads_is_left_out() -> None:
    rows = [*ORDINARY, *every_day("campaign", "c2", range(40), spend=5000.0, leads=0)]
    assert target(rows)["target_cpl"] == pytest.approx(10.0)


def test_an_account_in_its_first_week_is_measured_up_to_the_date() -> None:
    row = target(every_day("campaign", "c1", range(2), spend=30.0))
    assert (row["target_cpl"], row["target_source"]) == (pytest.approx(15.0), "own_cpl")


def test_without_target_and_leads_there_is_no_t_and_no_estimate() -> None:
    row = target(every_day("campaign", "c1", range(40), leads=0))
    assert (row["target_cpl"], row["target_source"]) == (None, "none")
    for name in ("cpl_shrunk", "expected_leads", "posterior_shape", "leads_trend_probability"):
        assert row[name] is None
    assert row["insufficient_data"] is True


def test_leads_of_late_days_weigh_in_by_their_maturity() -> None:
    read_at = dt.datetime.combine(D, dt.time(5), dt.UTC)
    row = target(every_day("campaign", "c1", range(40), known_at=read_at))
    assert 9.0 < row["target_cpl"] < 10.0
