"""Callers from before the levels: a call without `entity_type` is of campaigns, told by `campaign_id`."""

from ml_assets_tests.api.made import DAYS, RESULTS, Api, id_of

PATHS = (*RESULTS, "entities")


def test_a_call_without_a_level_answers_campaigns_by_their_id(api: Api) -> None:
    for path in PATHS:
        items = api.items(path)
        assert items, path
        assert {item["entity_type"] for item in items} == {"campaign"}
        assert all(item["campaign_id"] == item["entity_id"] for item in items), path


def test_naming_the_level_changes_nothing(api: Api) -> None:
    for path in PATHS:
        assert api.items(path) == api.items(path, entity_type="campaign"), path


def test_a_campaign_is_asked_for_by_its_id_alone(api: Api) -> None:
    campaign = id_of(1, "campaign", 0)
    for path in RESULTS:
        items = api.items(path, entity_id=campaign, date=DAYS[0])
        assert [item["campaign_id"] for item in items] == [campaign], path
