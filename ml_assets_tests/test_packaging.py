"""What is installed: the wheel outside the checkout, and the lock files."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from ml_assets.settings import child_environment

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "ml_assets", "migrations")


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(  # noqa: S603
        [str(part) for part in command],
        cwd=cwd,
        env=child_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(CHECKOUT / name, source / name)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--wheel-dir", folder, source, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the wheel was installed; it comes before the checkout on the path."""
    site = tmp_path_factory.mktemp("site")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target")
    run(*pip, site, wheel, cwd=site)
    return site


@pytest.mark.slow
def test_the_wheel_ships_migrations_and_defaults_and_nothing_of_the_checkout_beside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "ml_assets/migrations/env.py" in names
    revisions = {path.name for path in (CHECKOUT / "migrations" / "versions").glob("*.py")}
    shipped = {Path(name).name for name in names if name.startswith("ml_assets/migrations/versions/")}
    assert shipped == revisions
    modules = {
        path.relative_to(CHECKOUT).as_posix()
        for pattern in ("*.py", "*.yaml")
        for path in (CHECKOUT / "ml_assets").rglob(pattern)
    }
    assert modules <= set(names)
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"ml_assets"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_installed_command_upgrades_a_database_without_the_checkout(
    installed: Path, tmp_path: Path
) -> None:
    home = {"HOME": str(tmp_path), "PYTHONPATH": str(installed), "ML_ASSETS_DATABASE_URL": ""}
    where = run(sys.executable, "-c", "import ml_assets; print(ml_assets.__file__)", cwd=tmp_path, **home)
    assert Path(where.stdout.strip()).is_relative_to(installed)

    command = installed / "bin" / "ml-assets"
    run(sys.executable, command, "db", "upgrade", cwd=tmp_path, **home)
    assert (tmp_path / ".local" / "share" / "ml_assets" / "ml_assets.db").is_file()
    current = run(sys.executable, command, "db", "current", cwd=tmp_path, **home)
    assert "(newest)" in current.stdout


@pytest.mark.slow
def test_dagster_loads_the_installed_code_location(installed: Path, tmp_path: Path) -> None:
    dagster = (sys.executable, "-m", "dagster", "definitions", "validate", "-m", "ml_assets.definitions")
    done = run(
        *dagster,
        cwd=tmp_path,
        HOME=str(tmp_path),
        PYTHONPATH=str(installed),
        DAGSTER_HOME=str(tmp_path),
    )
    assert "Validation successful" in done.stdout + done.stderr


def pins(name: str) -> dict[str, str]:
    """Package -> version of a lock file; markers are left out."""
    text = (CHECKOUT / name).read_text()
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", text, re.MULTILINE))


def requirement_names(requirements: list[str]) -> set[str]:
    return {
        re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-") for requirement in requirements
    }


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_lock_files_name_no_host_and_hash_every_package(lock: str) -> None:
    text = (CHECKOUT / lock).read_text()
    assert "://" not in text
    assert "index-url" not in text
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(blocks) == len(pins(lock))
    assert all("--hash=sha256:" in block for block in blocks)


def test_lock_files_hold_what_pyproject_asks_for_in_equal_versions() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    to_run, to_test = pins("requirements.lock"), pins("requirements-dev.lock")
    assert requirement_names(project["project"]["dependencies"]) <= set(to_run), "run `make lock`"
    groups = project["dependency-groups"]
    assert requirement_names([*groups["dev"], *groups["bench"]]) <= set(to_test), "run `make lock`"
    assert {name: to_test.get(name) for name in to_run} == to_run
