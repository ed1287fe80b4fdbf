"""The README promises only commands, options, targets, files and settings that exist."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from ml_assets.cli.app import app
from ml_assets.settings import Settings

CHECKOUT = Path(__file__).resolve().parent.parent
README = (CHECKOUT / "README.md").read_text()
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def command_of(words: list[str]) -> object:
    """The command that the words lead to; fails where a word is no command."""
    command: object = get_command(app)
    for word in words:
        children = getattr(command, "commands", None)
        if not children or word.startswith("-") or word not in children:
            assert not children or not word.isalpha(), f"`{word}` is no command of {words}"
            break
        command = children[word]
    return command


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_ml_assets_command_and_option_named_exists(document: Path) -> None:
    calls = re.findall(r"(?:^    |`)ml-assets ([^`\n#|]+)", document.read_text(), re.MULTILINE)
    for call in calls:
        words = call.split()
        options = {name for parameter in getattr(command_of(words), "params", []) for name in parameter.opts}
        for option in re.findall(r"--[a-z-]+", call):
            assert option in options | {"--help"}, call


def test_every_make_target_named_exists() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test", "dev"} <= named <= targets


def test_every_setting_is_explained_and_every_explained_one_exists() -> None:
    explained = set(re.findall(r"`ML_ASSETS_([A-Z_]+)`", README))
    fields = {name.upper() for name in Settings.model_fields}
    assert explained <= fields
    assert fields - explained <= {"LANGUAGE", "DAGSTER_HOME"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (CHECKOUT / ".ci" / "run").read_text()
    assert "make test" in README
    assert re.search(r"for target in test\b", script)
