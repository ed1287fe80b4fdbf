"""The code location as a whole: what is in it, and that it says what everything is."""

import re
from pathlib import Path

import dagster as dg

from ml_assets.definitions import defs
from ml_assets.report.column_docs import (
    ANOMALIES_DOCS,
    CLASSIFICATIONS_DOCS,
    ENTITY_METRICS_DOCS,
    FEATURES_DOCS,
    INSIGHTS_DOCS,
    RECOMMENDATIONS_DOCS,
)

GRAPH = {
    "insights": ("figures", []),
    "entity_metrics": ("figures", ["insights"]),
    "features": ("judgements", ["entity_metrics"]),
    "classifications": ("judgements", ["entity_metrics", "features"]),
    "anomalies": ("judgements", ["entity_metrics"]),
    "forecasts": ("judgements", ["entity_metrics"]),
    "recommendations": (
        "judgements",
        ["anomalies", "classifications", "entity_metrics", "features", "forecasts"],
    ),
}
"""Asset -> group, what it depends on: a change of the wiring has to be made here too."""


def test_the_graph_is_what_it_was() -> None:
    graph = defs().resolve_asset_graph()
    assert {
        key.to_user_string(): (
            graph.get(key).group_name,
            sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
        )
        for key in graph.get_all_asset_keys()
    } == GRAPH


def test_definitions_can_be_loaded_as_a_server_loads_them() -> None:
    dg.Definitions.validate_loadable(defs())


def test_every_asset_is_partitioned_by_date_and_level_and_says_what_it_is() -> None:
    graph = defs().resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert isinstance(node.partitions_def, dg.MultiPartitionsDefinition)
        assert {d.name for d in node.partitions_def.partitions_defs} == {"date", "entity_type"}
        assert node.description
        assert node.owners == ["team:ml_assets"]
        assert node.kinds
        assert node.metadata["dagster/table_name"]


def test_every_column_in_the_ui_has_a_description() -> None:
    graph = defs().resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        schema = graph.get(key).metadata["dagster/column_schema"]
        assert not [column.name for column in schema.columns if not column.description], key


def test_no_described_column_is_gone() -> None:
    graph = defs().resolve_asset_graph()
    docs = {
        "entity_metrics": ENTITY_METRICS_DOCS,
        "classifications": CLASSIFICATIONS_DOCS,
        "features": FEATURES_DOCS,
        "insights": INSIGHTS_DOCS,
        "anomalies": ANOMALIES_DOCS,
        "recommendations": RECOMMENDATIONS_DOCS,
    }
    for name, described in docs.items():
        schema = graph.get(dg.AssetKey(name)).metadata["dagster/column_schema"]
        extra = set(described) - {column.name for column in schema.columns}
        assert extra <= {"parent_id", "campaign_id", "date", "known_at"}, name


def test_assets_joined_across_levels_have_different_backfill_policies() -> None:
    graph = defs().resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        for parent in graph.get_ancestor_asset_keys(key):
            assert graph.get(parent).backfill_policy != graph.get(key).backfill_policy, (parent, key)


def documented(heading: str) -> list[list[str]]:
    """The names in code of the first cell of each row below a heading of docs/operations.md."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [re.findall(r"`(\w+)`", cell) for cell in rows]


def test_the_guide_names_every_job_with_a_schedule_and_every_sensor() -> None:
    repository = defs().get_repository_def()
    jobs = {name for row in documented("What runs when") for name in row}
    assert jobs == {schedule.job_name for schedule in repository.schedule_defs}
    told = {name for row in documented("Who is told what") for name in row}
    assert told | {"late_ticks", "new_insights"} == {sensor.name for sensor in repository.sensor_defs}
    assert all(sensor.description for sensor in repository.sensor_defs)
