"""The command as a process: help, versions, pipes and settings that cannot be."""

import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from ml_assets.cli.app import app
from ml_assets.settings import child_environment


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", "from ml_assets.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=child_environment(**environment),
    )


def commands() -> list[tuple[str, ...]]:
    """Every command there is, as its words."""

    def below(command: object, words: tuple[str, ...]) -> list[tuple[str, ...]]:
        children = getattr(command, "commands", None)
        if not children:
            return [words]
        return [found for name, child in children.items() for found in below(child, (*words, name))]

    return below(get_command(app), ())


def test_help_does_not_wait_for_the_heavy_packages() -> None:
    heavy = "{'dagster', 'polars', 'sqlalchemy', 'rich', 'numpy'}"
    check = f"import sys; import ml_assets.cli.app; print(sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)  # noqa: S603
    assert loaded.stdout.strip() == "[]"
    quickest = min(_seconds("--help") for _ in range(3))
    assert quickest < 1.5


def _seconds(*arguments: str) -> float:
    began = time.monotonic()
    assert run(*arguments).returncode == 0
    return time.monotonic() - began


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    assert "\x08" not in result.stdout


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").stdout == f"ml-assets {version('ml_assets')}\n"


def test_a_wrong_setting_is_a_sentence_that_names_the_variable(tmp_path: Path) -> None:
    refused = run("db", "current", ML_ASSETS_TIMEZONE="Mars/Olympus", ML_ASSETS_DATA_DIR=str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr.startswith("Error: The setting ML_ASSETS_TIMEZONE cannot be used")
    assert refused.stderr.count("\n") == 1


def test_an_unknown_command_and_a_missing_option_are_exit_code_two() -> None:
    assert run("reprot").returncode == 2
    assert "--from" in run("run").stderr
