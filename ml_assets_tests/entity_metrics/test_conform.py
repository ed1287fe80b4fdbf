"""From whatever levels a source delivers to one row per entity, level and day."""

import itertools

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_assets.entity_metrics import conform_insights
from ml_assets.frames import ENTITIES, ENTITY_METRICS, INSIGHTS, empty
from ml_assets.metrics import ADDITIVE
from ml_assets_tests.features.frames_made import (
    D,
    Row,
    ad,
    adset,
    campaign,
    day,
    figures,
    frame,
    small_tree,
)

KEY = ["config_id", "entity_type", "entity_id", "date"]


def conformed(insights: list[Row], entities: list[Row] | None = None) -> pl.DataFrame:
    known = frame(small_tree() if entities is None else entities, ENTITIES)
    return conform_insights(frame(insights, INSIGHTS), known)


def the_row(rows: pl.DataFrame, level: str, entity_id: str, date: object = D) -> Row:
    found = rows.filter(
        pl.col("entity_type") == level, pl.col("entity_id") == entity_id, pl.col("date") == date
    )
    assert found.height == 1, f"{found.height} rows of {level} {entity_id}"
    return found.row(0, named=True)


ADS = [
    figures("ad", name, D, spend=spend, impressions=100 * leads, clicks=leads + 5, leads=leads)
    for name, spend, leads in (("a1", 10.0, 1), ("a2", 20.0, 2), ("b1", 40.0, 4))
]


def test_ads_alone_are_summed_to_adsets_and_campaigns() -> None:
    rows = conformed(ADS)
    s1, c1 = the_row(rows, "adset", "s1"), the_row(rows, "campaign", "c1")
    assert (s1["spend"], s1["leads"], s1["impressions"], s1["clicks"]) == (30.0, 3, 300, 13)
    assert (c1["spend"], c1["leads"], c1["impressions"], c1["clicks"]) == (70.0, 7, 700, 22)
    assert (s1["parent_id"], s1["campaign_id"]) == ("c1", "c1")
    assert (c1["parent_id"], c1["campaign_id"]) == (None, "c1")
    assert s1["delivered_level"] == "ad"
    assert the_row(rows, "ad", "a1")["delivered_level"] == "ad"


def test_a_levels_own_row_wins_and_the_difference_is_kept_beside_it() -> None:
    own = figures("campaign", "c1", D, spend=75.0, impressions=720, clicks=25, leads=9)
    row = the_row(conformed([*ADS, own]), "campaign", "c1")
    assert (row["spend"], row["leads"], row["delivered_level"]) == (75.0, 9, "campaign")
    assert row["residual_spend"] == pytest.approx(5.0)
    assert (row["residual_impressions"], row["residual_clicks"], row["residual_leads"]) == (20, 3, 2)


def test_nothing_is_scaled_to_fit_the_level_above() -> None:
    own = figures("campaign", "c1", D, spend=140.0, leads=14)
    rows = conformed([*ADS, own])
    assert the_row(rows, "ad", "a1")["spend"] == 10.0
    assert the_row(rows, "adset", "s1")["spend"] == 30.0


def test_a_residual_is_null_where_only_one_side_was_delivered() -> None:
    rows = conformed([figures("campaign", "c1", D)])
    assert the_row(rows, "campaign", "c1")["residual_spend"] is None
    assert the_row(conformed(ADS), "campaign", "c1")["residual_spend"] is None


@pytest.mark.parametrize(
    "delivered",
    [levels for size in (1, 2, 3) for levels in itertools.combinations(("campaign", "adset", "ad"), size)],
)
def test_the_topmost_total_is_the_same_whatever_levels_are_delivered(delivered: tuple[str, ...]) -> None:
    whole = conformed(ADS)
    consistent = whole.filter(pl.col("entity_type").is_in(delivered)).to_dicts()
    insights = [
        figures(row["entity_type"], row["entity_id"], D, **{name: row[name] for name in ADDITIVE})
        for row in consistent
    ]
    rows = conformed(insights)
    lowest = delivered[-1]
    expected = {"campaign": ["campaign"], "adset": ["campaign", "adset"]}.get(
        lowest, ["campaign", "adset", "ad"]
    )
    assert set(rows["entity_type"]) == set(expected)
    wanted = whole.filter(pl.col("entity_type").is_in(expected))
    assert_frame_equal(
        rows.select(*KEY, "parent_id", "campaign_id", *ADDITIVE),
        wanted.select(*KEY, "parent_id", "campaign_id", *ADDITIVE),
    )


def test_levels_may_differ_from_day_to_day_and_from_entity_to_entity() -> None:
    rows = conformed(
        [
            figures("adset", "s1", D, spend=31.0),
            figures("ad", "b1", D, spend=40.0),
            figures("ad", "a1", day(1), spend=10.0),
            figures("campaign", "c1", day(2), spend=99.0),
        ]
    )
    assert the_row(rows, "campaign", "c1", D)["spend"] == 71.0
    assert the_row(rows, "campaign", "c1", day(1))["spend"] == 10.0
    assert the_row(rows, "campaign", "c1", day(2))["spend"] == 99.0
    assert the_row(rows, "adset", "s2", D)["delivered_level"] == "ad"


def test_a_figure_the_source_lacks_stays_null_up_the_tree() -> None:
    rows = conformed([figures("ad", name, D, leads=None, clicks=None) for name in ("a1", "a2")])
    for level, entity in (("ad", "a1"), ("adset", "s1"), ("campaign", "c1")):
        row = the_row(rows, level, entity)
        assert row["leads"] is None
        assert row["clicks"] is None
        assert row["spend"] is not None


def test_reach_is_not_added_up_but_bounds_the_parents_reach() -> None:
    row = the_row(conformed(ADS), "adset", "s1")
    assert row["reach"] is None
    assert row["reach_bound"] == 1600
    own = the_row(conformed([*ADS, figures("adset", "s1", D, reach=900)]), "adset", "s1")
    assert (own["reach"], own["reach_bound"]) == (900, 900)


def test_reach_of_some_children_does_not_bound_the_parents_reach() -> None:
    rows = conformed([figures("ad", "a1", D, reach=500), figures("ad", "a2", D, reach=None)])
    assert the_row(rows, "adset", "s1")["reach_bound"] is None


def test_a_seven_day_row_lends_reach_and_frequency_and_nothing_else() -> None:
    weekly = figures(
        "ad", "a1", D, window_days=7, reach=2000, frequency=3.5, impressions=7000, spend=999.0, leads=50
    )
    row = the_row(conformed([*ADS, weekly]), "ad", "a1")
    assert (row["reach_7d"], row["frequency_7d"]) == (2000, 3.5)
    assert (row["spend"], row["leads"], row["reach"]) == (10.0, 1, 800)
    assert the_row(conformed([*ADS, weekly]), "adset", "s1")["reach_7d"] is None


def test_the_weekly_frequency_follows_from_impressions_and_reach_where_it_is_not_delivered() -> None:
    weekly = figures("ad", "a1", D, window_days=7, reach=2000, frequency=None, impressions=7000)
    assert the_row(conformed([*ADS, weekly]), "ad", "a1")["frequency_7d"] == 3.5


def test_a_seven_day_row_of_a_rolled_up_level_still_lends_its_reach() -> None:
    weekly = figures("adset", "s1", D, window_days=7, reach=3000, frequency=2.0)
    row = the_row(conformed([*ADS, weekly]), "adset", "s1")
    assert (row["reach_7d"], row["frequency_7d"], row["spend"]) == (3000, 2.0, 30.0)


def test_orphans_are_left_out_at_every_level() -> None:
    entities = [
        campaign("c1"),
        adset("s1", "c1"),
        adset("s9", "c9") | {"parent_id": None, "campaign_id": None},
        ad("a1", "s1", "c1"),
        ad("a9", "s9", "c9"),
        ad("a8", "s1", "c1") | {"parent_id": None},
    ]
    insights = [figures("ad", name, D, spend=10.0) for name in ("a1", "a9", "a8", "unheard")]
    insights.append(figures("adset", "s9", day(1)))
    rows = conformed(insights, entities)
    assert rows["entity_id"].null_count() == 0
    assert the_row(rows, "campaign", "c1")["spend"] == 10.0
    assert set(rows.filter(pl.col("entity_type") == "adset")["entity_id"]) == {"s1"}
    assert set(rows.filter(pl.col("entity_type") == "campaign")["entity_id"]) == {"c1"}


def test_equal_ids_in_two_accounts_do_not_mix() -> None:
    rows = conformed(
        [figures("ad", "a1", D, spend=10.0), figures("ad", "a1", D, config_id=2, spend=500.0)],
        [*small_tree(1), *small_tree(2)],
    )
    spends = rows.filter(pl.col("entity_type") == "campaign").sort("config_id")["spend"].to_list()
    assert spends == [10.0, 500.0]


def hash_of(name: str) -> int:
    return sum(ord(letter) * 31**place for place, letter in enumerate(name)) % 997


def test_the_order_of_the_rows_does_not_matter() -> None:
    names = [f"{adset}{number}" for adset in "ab" for number in range(1, 41)]
    insights = frame(
        [
            *(
                figures("ad", name, day(back), spend=0.01 * (hash_of(name) + 37 * back) ** 2)
                for name in names
                for back in range(20)
            ),
            figures("campaign", "c1", D, spend=75.0),
            figures("adset", "s1", day(3)),
            figures("ad", "a2", day(2), window_days=7),
        ],
        INSIGHTS,
    )
    entities = frame(small_tree(ads=40), ENTITIES)
    straight = conform_insights(insights, entities)
    for seed in range(3):
        mixed = conform_insights(
            insights.sample(fraction=1, shuffle=True, seed=seed),
            entities.sample(fraction=1, shuffle=True, seed=seed),
        )
        assert_frame_equal(mixed, straight, check_exact=True)


def test_without_insights_there_are_no_rows_but_the_whole_schema() -> None:
    rows = conform_insights(empty(INSIGHTS), empty(ENTITIES))
    assert rows.is_empty()
    assert rows.schema == pl.Schema(ENTITY_METRICS)
    assert conformed([]).schema == pl.Schema(ENTITY_METRICS)
