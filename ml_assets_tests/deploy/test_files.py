"""deploy/ names only programs, files, settings and packages that are there, and its parts agree."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml_assets.api.routes import health
from ml_assets.defs.instance import DEFAULT_CONFIG
from ml_assets.settings import Settings
from ml_assets_tests.test_packaging import pins

CHECKOUT = Path(__file__).resolve().parents[2]
DEPLOY = CHECKOUT / "deploy"
BINARIES = Path(sys.executable).parent


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def services() -> dict[str, dict[str, Any]]:
    return read("compose.yaml")["services"]


def own_services() -> list[str]:
    return [name for name, service in services().items() if service["image"].startswith("ml-assets")]


def programs_of(command: list[str]) -> list[str]:
    if command[0] == "sh":
        return [part.split()[0] for part in command[2].split("&&")]
    return command[:1]


@pytest.mark.parametrize("name", own_services())
def test_the_programs_and_modules_of_a_service_exist(name: str) -> None:
    service = services()[name]
    commands = [service["command"]]
    if "healthcheck" in service:
        kind, *check = service["healthcheck"]["test"]
        assert kind == "CMD"
        commands.append(check)
    for command in commands:
        for program in programs_of(command):
            assert (BINARIES / program).is_file(), program
        if "-m" in command:
            assert importlib.util.find_spec(command[command.index("-m") + 1])


def test_services_wait_for_the_migrations_and_there_is_one_daemon() -> None:
    waits = {name: service.get("depends_on", {}) for name, service in services().items()}
    assert waits["migrate"] == {"postgres": {"condition": "service_healthy"}}
    assert waits["code-server"] == {"migrate": {"condition": "service_completed_successfully"}}
    for name in ("webserver", "daemon"):
        assert waits[name] == {"code-server": {"condition": "service_healthy"}}
    daemons = [name for name in own_services() if "dagster-daemon" in services()[name]["command"]]
    assert daemons == ["daemon"]
    for name, service in services().items():
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
        assert name == "migrate" or service["healthcheck"]["test"]


def test_variables_are_settings_or_what_the_instance_reads() -> None:
    known = {f"ML_ASSETS_{field.upper()}" for field in Settings.model_fields}
    example = set(re.findall(r"^#? ?([A-Z_]+)=", (DEPLOY / ".env.example").read_text(), re.MULTILINE))
    compose = (DEPLOY / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{([A-Z_]+)", compose))
    values = (DEPLOY / "values.yaml").read_text()
    image = (DEPLOY / "Dockerfile").read_text()
    for text in (" ".join(example), compose, values, image):
        assert set(re.findall(r"ML_ASSETS_[A-Z_]+", text)) <= known
    assert asked - {"IMAGE_TAG"} <= example
    in_image = set(re.findall(r"([A-Z_]+)=", image))
    wanted = set(re.findall(r"env: ([A-Z_]+)", (DEPLOY / "dagster.yaml").read_text()))
    for name in own_services():
        assert wanted <= set(services()[name]["environment"]) | in_image


def test_the_workspace_names_the_code_server_where_it_listens() -> None:
    [location] = [entry["grpc_server"] for entry in read("workspace.yaml")["load_from"]]
    command = services()["code-server"]["command"]
    assert location["host"] in services()
    assert str(location["port"]) == command[command.index("-p") + 1]
    assert location["location_name"] == command[command.index("--location-name") + 1]


def test_volumes_and_mounted_folders_are_there() -> None:
    compose = read("compose.yaml")
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).is_dir(), (name, source)
    assert "CREATE DATABASE dagster" in (DEPLOY / "postgres" / "10-dagster.sql").read_text()


def test_the_image_copies_what_there_is_and_nothing_that_is_ignored() -> None:
    image = (DEPLOY / "Dockerfile").read_text()
    kept = set(re.findall(r"^!(\S+)", (CHECKOUT / ".dockerignore").read_text(), re.MULTILINE))
    copies = re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+)$", image, re.MULTILINE)
    sources = {source for line in copies for source in line.split()[:-1]}
    assert sources == kept
    assert all((CHECKOUT / source).exists() for source in sources)
    assert "--require-hashes" in image
    assert re.search(r"^USER (?!root)", image, re.MULTILINE)


def test_both_instances_limit_retry_and_keep_the_same() -> None:
    embedded = yaml.safe_load(DEFAULT_CONFIG.read_text(encoding="utf-8"))
    deployed = read("dagster.yaml")
    assert {name: deployed[name] for name in embedded} == embedded


def test_the_chart_is_told_the_same_as_the_instances() -> None:
    values, instance = read("values.yaml"), read("dagster.yaml")
    daemon = values["dagsterDaemon"]
    assert (
        values["postgresql"]["postgresqlScheme"] == instance["storage"]["postgres"]["postgres_db"]["scheme"]
    )
    assert values["concurrency"]["pools"] == {"granularity": "run", "defaultLimit": 1}
    assert daemon["runRetries"]["maxRetries"] == instance["run_retries"]["max_retries"]
    assert not daemon["runRetries"]["retryOnAssetOrOpFailure"]
    assert "maxConcurrentRuns" not in daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    for kind in ("schedule", "sensor"):
        kept = instance["retention"][kind]["purge_after_days"]
        assert values["retention"][kind]["purgeAfterDays"].items() >= kept.items()
    [deployment] = values["dagster-user-deployments"]["deployments"]
    assert importlib.util.find_spec(deployment["codeServerArgs"][-1])


def test_the_lock_file_for_kubernetes_adds_the_run_launcher_and_changes_no_version() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    here, there = pins("requirements.lock"), pins("requirements-k8s.lock")
    assert {name: there.get(name) for name in here} == here
    assert f"dagster-k8s=={there['dagster-k8s']}" in project["optional-dependencies"]["k8s"]
    assert there["dagster-k8s"] == there["dagster-postgres"]
    dagster = {there[name] for name in there if name in {"dagster", "dagster-webserver", "dagster-graphql"}}
    assert len(dagster) == 1
    assert f"--version {dagster.pop()}" in (DEPLOY / "values.yaml").read_text()


def test_the_api_of_kubernetes_is_that_of_the_image_and_asks_what_the_server_answers() -> None:
    deployment, service = yaml.safe_load_all((DEPLOY / "api.yaml").read_text(encoding="utf-8"))
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    image = read("values.yaml")["dagster-user-deployments"]["deployments"][0]["image"]
    assert container["image"] == f"{image['repository']}:{image['tag']}"
    assert (BINARIES / container["command"][0]).is_file()
    assert container["command"][1] == "serve"
    port = container["command"][container["command"].index("--port") + 1]
    assert container["ports"] == [{"name": "http", "containerPort": int(port)}]
    asked = {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")}
    assert asked == {"/healthz", "/readyz"}
    assert asked <= {route.path for route in health.router.routes}  # type: ignore[attr-defined]
    names = {variable["name"] for variable in container["env"]}
    assert {name for name in names if name.startswith("ML_ASSETS_")} <= {
        f"ML_ASSETS_{field.upper()}" for field in Settings.model_fields
    }
    wanted = set(re.findall(r"env: ([A-Z_]+)", (DEPLOY / "dagster.yaml").read_text()))
    in_image = set(re.findall(r"([A-Z_]+)=", (DEPLOY / "Dockerfile").read_text()))
    assert wanted <= names | in_image
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
