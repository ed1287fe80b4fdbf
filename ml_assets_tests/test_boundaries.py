"""Imports run one way: vocabulary <- pure packages <- defs, api, cli; storage knows the vocabulary alone."""

import ast
from pathlib import Path

import pytest

import ml_assets

PACKAGE = Path(ml_assets.__file__).parent
VOCABULARY = {
    "entities",
    "entity_features",
    "entity_state",
    "errors",
    "frames",
    "local_days",
    "metrics",
    "settings",
    "words",
}
PURE = {
    "anomalies",
    "checks",
    "classification",
    "entity_metrics",
    "features",
    "forecasts",
    "notices",
    "recommendations",
    "timetable",
}
ALLOWED = {
    **dict.fromkeys(VOCABULARY, VOCABULARY),
    **dict.fromkeys(PURE, VOCABULARY | PURE),
    "sources": VOCABULARY | {"sources"},
    # Of the last five only the contracts below.
    "storage": VOCABULARY | {"storage", "sources", "anomalies", "forecasts", "notices", "recommendations"},
    "defs": VOCABULARY | PURE | {"storage", "sources", "report", "webhook", "defs"},
    "api": VOCABULARY | PURE | {"storage", "sources", "report", "defs", "api"},
    "cli": VOCABULARY | PURE | {"storage", "sources", "defs", "report", "webhook", "api", "cli"},
    "report": VOCABULARY | PURE | {"storage", "sources", "report"},
    "webhook": {"errors"},
    "definitions": {"defs", "settings"},
}
FOREIGN = {"dagster", "sqlalchemy", "alembic", "fastapi", "typer"}
"""What pure packages and sources must not know."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The top-level module or folder of the package a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Dotted names a module imports anywhere in it, type checking included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "ml_assets":
                found |= {f"ml_assets.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_lies_before_it(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        assert not {name for name in imports(path) if name.startswith("ml_assets")}
        return
    known = {name.split(".")[1] for name in imports(path) if name.startswith("ml_assets.")}
    assert known <= ALLOWED[part], f"{part} may not import {sorted(known - ALLOWED[part])}"


@pytest.mark.parametrize(
    "path",
    [path for path in modules() if part_of(path) in VOCABULARY | PURE | {"sources"}],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_pure_code_knows_neither_dagster_nor_sql(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & FOREIGN


def test_storage_takes_from_other_packages_only_what_it_stores() -> None:
    contracts = {
        "ml_assets.anomalies.frames",
        "ml_assets.forecasts.frames",
        "ml_assets.notices.incidents",
        "ml_assets.notices.message",
        "ml_assets.sources.protocol",
        "ml_assets.recommendations.frames",
        "ml_assets.recommendations.policy",
    }
    for path in modules():
        if part_of(path) == "storage":
            foreign = {
                name
                for name in imports(path)
                if name.startswith(tuple(f"ml_assets.{part}" for part in PURE | {"sources"}))
            }
            assert foreign <= contracts, path


def test_nobody_imports_the_code_location() -> None:
    importers = [path for path in modules() if "ml_assets.definitions" in imports(path)]
    assert importers == []
