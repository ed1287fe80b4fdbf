import datetime as dt

import sqlalchemy as sa

from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage.accounts import add_account
from ml_assets.storage.repositories import EntityRepository
from ml_assets.storage.writes import append_insights, upsert_entities
from ml_assets_tests.storage.frames_of import DAY, entities, entity, insight, insights

START = dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC)


def test_entities_by_level_by_id_and_active_as_of_a_date(engine: sa.Engine) -> None:
    tree = entities(
        entity("campaign", "c", status="ACTIVE"),
        entity("adset", "s", "c", status="ACTIVE"),
        entity("adset", "t", "c", status="ACTIVE"),
        entity("ad", "a", "s", status="ACTIVE"),
        entity("ad", "b", "t", status="ACTIVE"),
    )
    with engine.begin() as connection:
        add_account(connection, AccountInfo("1", "Acme", timezone="UTC"))
        upsert_entities(connection, tree, START)
        paused = entities(entity("adset", "t", status="PAUSED"))
        upsert_entities(connection, paused, START + dt.timedelta(days=2))
        append_insights(connection, insights(insight("a", entity_type="ad", date=DAY - dt.timedelta(days=9))))
    repository = EntityRepository(engine)
    assert repository.get_campaigns(1)["entity_id"].to_list() == ["c"]
    assert repository.get_adsets(1, ["t", "nobody"])["entity_id"].to_list() == ["t"]
    assert repository.get_ads(1)["parent_id"].to_list() == ["s", "t"]
    assert repository.get_active_campaigns(1, DAY)["entity_id"].to_list() == ["c"]
    assert repository.get_active_adsets(1, DAY)["entity_id"].to_list() == ["s", "t"]
    assert repository.get_active_adsets(1, DAY + dt.timedelta(days=1))["entity_id"].to_list() == ["s"]
    assert repository.get_active_ads(1)["entity_id"].to_list() == ["a"]
    # Before the first version: whoever delivered.
    assert repository.get_active_ads(1, DAY - dt.timedelta(days=9))["entity_id"].to_list() == ["a"]
    assert repository.get_active_ads(1, DAY - dt.timedelta(days=8)).is_empty()
    assert repository.get_campaigns(2).is_empty()
