"""What the daily digest tells of each account, out of what is stored."""

import datetime as dt
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from ml_assets.entities import EntityType
from ml_assets.notices.digest_rows import Lacking
from ml_assets.notices.plain import plain_text
from ml_assets.report.digest import AccountDigest, notice_of, read_digests
from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage.accounts import add_account
from ml_assets.storage.engine import create_engine
from ml_assets.storage.reads import read_accounts
from ml_assets.storage.tables import MLClassification, MLFeatures
from ml_assets.storage.writes import replace_partition, upsert_entities
from ml_assets_tests.anomalies.incidents_made import incident
from ml_assets_tests.storage.forecasts_made import forecast, happened, write
from ml_assets_tests.storage.frames_of import entities, entity
from ml_assets_tests.storage.incidents_stored import put_incidents
from ml_assets_tests.storage.recommendations_made import D1, advice, morning_after, store

AD = EntityType.AD
BEFORE = D1 - dt.timedelta(days=1)
TIERS = {"tier": "LOW", "previous_tier": "MODERATE", "tier_change_direction": "down"}


@pytest.fixture
def connection(engine: sa.Engine) -> Any:
    """A database with the accounts 1 (budget 1,000) and 2."""
    with engine.begin() as opened:
        add_account(opened, AccountInfo("111", "Clinic", "BRL", monthly_budget=1000.0))
        add_account(opened, AccountInfo("222", "Shop", "BRL"))
        yield opened


def read(connection: sa.Connection, date: dt.date = D1) -> list[AccountDigest]:
    return read_digests(connection, read_accounts(connection), date)


def text_of(digests: list[AccountDigest], date: dt.date = D1) -> str:
    return plain_text(notice_of(digests, date, "en"))


def classify(connection: sa.Connection, config_id: int, **by_ad: dict[str, Any]) -> None:
    """Classifications and 14 days' spend of ads on D1."""
    keys = [{"config_id": config_id, "entity_type": "ad", "entity_id": key[2:]} for key in by_ad]
    tiers = [
        {**key, "classification_date": D1, **{name: row[name] for name in TIERS}}
        for key, row in zip(keys, by_ad.values(), strict=True)
    ]
    spends = [
        {**key, "feature_date": D1, "window_days": 14, "spend_14d": row["spend"]}
        for key, row in zip(keys, by_ad.values(), strict=True)
    ]
    replace_partition(connection, MLClassification, pl.DataFrame(tiers), AD, [D1], [config_id])
    replace_partition(connection, MLFeatures, pl.DataFrame(spends), AD, [D1], [config_id])


def seen(kind: str, date: dt.date, **values: Any) -> dict[str, Any]:
    return incident(
        kind, "ad", evaluated_date=date, onset_date=BEFORE, last_date=date, description=f"{kind}.", **values
    )


def test_the_account_with_the_most_money_at_stake_comes_first(connection: sa.Connection) -> None:
    store(connection, [1], advice(1), now=morning_after(1))
    assert [digest.account["name"] for digest in read(connection)] == ["Clinic", "Shop"]
    put_incidents(connection, seen("CPM_SPIKE", D1, config_id=2, money=500.0))
    shop, clinic = read(connection)
    assert (shop.account["name"], shop.money) == ("Shop", 500.0)
    assert clinic.money == pytest.approx(120.5)
    assert clinic.plan.issued.height == 1
    assert shop.plan.rows.is_empty()


def test_only_tiers_that_moved_are_told_by_spend_and_with_their_names(connection: sa.Connection) -> None:
    names = [entity("ad", "1", name="Reel [hook]"), entity("ad", "2", name="Photo"), entity("ad", "3")]
    upsert_entities(connection, entities(*names), morning_after(1))
    same = {"tier": "LOW", "previous_tier": "LOW", "tier_change_direction": "same", "spend": 900.0}
    up = {"tier": "LOW", "previous_tier": "UNDERPERFORMER", "tier_change_direction": "up", "spend": 70.0}
    classify(connection, 1, ad1={**TIERS, "spend": 20.0}, ad2=up, ad3=same)
    clinic, shop = read(connection)
    assert clinic.changes.select("name", "direction", "spend").rows() == [
        ("'Photo'", "up", 70.0),
        ("'Reel (hook)'", "down", 20.0),
    ]
    assert Lacking.TIERS not in clinic.lacking
    assert Lacking.TIERS in shop.lacking
    assert "Tiers: 1 up, 1 down.\n• Ad 'Photo': low, was underperformer (R$70 in 14 days)" in text_of(
        [clinic]
    )


def test_incidents_are_new_still_open_or_over(connection: sa.Connection) -> None:
    put_incidents(
        connection,
        seen("CPM_SPIKE", BEFORE),
        seen("CTR_DROP", BEFORE),
        seen("SPEND_DROP", BEFORE, alert_rank=None),
        seen("CPM_SPIKE", D1, money=300.0),
        seen("CTR_DROP", D1, status="closed", alert_rank=None),
        seen("CVR_DROP", D1, alert_rank=2),
        seen("SPEND_DROP", D1, alert_rank=3),
        seen("CPL_SPIKE", D1, alert_rank=4, feedback="EXPECTED"),
        seen("LEADS_DROP", D1, alert_rank=None),
    )
    (clinic, _) = read(connection)
    assert clinic.newly_open["kind"].to_list() == ["CVR_DROP", "SPEND_DROP"]
    assert clinic.still_open["kind"].to_list() == ["CPM_SPIKE"]
    assert clinic.closed["kind"].to_list() == ["CTR_DROP"]
    assert "3 open incidents, 2 of them new, 1 incident is over:\n• CPM_SPIKE.\n• New: CVR_DROP." in text_of(
        [clinic]
    )


def test_a_month_is_told_as_far_as_its_forecasts_reach(connection: sa.Connection) -> None:
    own = {"entity_id": "7", "spend": 100.0, "leads": 4}
    happened(connection, 0, own)
    happened(connection, 1, own)
    totals = {"horizon": 4, "total_lower_80": 8.0, "total_value": 10.0, "total_upper_80": 14.0}
    rows = [
        forecast(1, entity_id, metric, **totals)
        for entity_id in ("7", "8")
        for metric in ("spend", "leads", "cpl")
    ]
    # a forecast of the day before of a campaign that is gone, and one made later
    write(connection, [0], forecast(0, "9", "spend", **totals), horizon=4)
    write(connection, [1], *rows, horizon=4)
    write(connection, [2], forecast(2, "7", "spend", **totals), horizon=4)
    clinic, shop = read(connection)
    assert clinic.pacing == {
        "config_id": 1, "day": 2, "days_left": 26, "days_ahead": 4,
        "spend_to_date": 200.0, "leads_to_date": 8.0,
        "spend_ahead": 20.0, "spend_lower_80": 16.0, "spend_upper_80": 28.0,
        "leads_ahead": 20.0, "leads_lower_80": 16.0, "leads_upper_80": 28.0,
        "budget": 1000.0,
    }  # fmt: skip
    assert (
        "Day 2 of 28: R$200 spent, 8 leads so far, 20% of the budget of R$1,000; the next 4 days"
        in text_of([clinic])
    )
    assert shop.pacing is None
    assert Lacking.FIGURES in shop.lacking


def test_an_older_forecast_tells_only_of_the_days_that_are_left_of_it(connection: sa.Connection) -> None:
    happened(connection, 1, {"entity_id": "7", "spend": 100.0, "leads": 4})
    totals = {"horizon": 4, "total_lower_80": 8.0, "total_value": 10.0, "total_upper_80": 12.0}
    write(connection, [-2], forecast(-2, "7", "spend", **totals), horizon=4)
    (clinic, _) = read(connection)
    assert clinic.pacing is not None
    # of 4 days that began on Jan 31 one is left, its fourth; the error of one day is half that of four
    assert (clinic.pacing["days_ahead"], clinic.pacing["spend_ahead"]) == (1, 4.0)
    assert (clinic.pacing["spend_lower_80"], clinic.pacing["spend_upper_80"]) == (3.0, 5.0)


def test_a_day_that_was_not_made_says_what_is_missing(connection: sa.Connection) -> None:
    digests = read(connection)
    assert digests[0].lacking == (Lacking.TIERS, Lacking.PLAN, Lacking.FIGURES)
    text = text_of(digests)
    assert text.count("The plan of this day has not been made.\nThis day has not been judged.") == 2
    assert "quiet" not in text


def test_no_account_is_no_trouble(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        digests = read(connection)
    assert digests == []
    assert notice_of(digests, D1, "en").text == "2026-02-02: nothing to do, no open incidents, no accounts."


def test_the_number_of_queries_does_not_grow_with_the_accounts(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    counts: list[int] = []
    with engine.begin() as connection:
        for wanted in (2, 30):
            for number in range(len(read_accounts(connection)), wanted):
                add_account(connection, AccountInfo(str(number + 100), f"Clinic {number}"))
            accounts = read_accounts(connection)
            asked: list[str] = []
            event.listen(engine, "before_cursor_execute", lambda *given, asked=asked: asked.append(given[2]))
            assert len(read_digests(connection, accounts, D1)) == wanted
            counts.append(len(asked))
    engine.dispose()
    assert counts[0] == counts[1] <= 20
