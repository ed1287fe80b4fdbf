"""Launching runs and backfills through Dagster's webserver, as its UI does: the GraphQL API of the instance.

Through it the run queue, the launcher and the code location are those of the instance, wherever they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from ml_assets.errors import NotReadyError, RunFailedError

IMPLICIT_JOB = "__ASSET_JOB"
"""Dagster's own job of all assets, of which a run selects some."""

CONNECT_SECONDS = 5
ANSWER_SECONDS = 60

_LOCATIONS = """
query Locations($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) {
    __typename
    ... on AssetNode { repository { name location { name } } }
  }
}
"""

_LAUNCH_RUN = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message }
    ... on Error { message }
  }
}
"""

_LAUNCH_BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message }
    ... on Error { message }
  }
}
"""


class WebserverGoneError(NotReadyError):
    """The webserver cannot be reached, or has not loaded the code location."""


@dataclass(frozen=True)
class PartitionRange:
    """Neighbouring partitions of an asset, by their first and last key."""

    asset: str
    first: str
    last: str


class Webserver:
    """The GraphQL API of a Dagster webserver at `url`, such as http://127.0.0.1:3000."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def launch_run(
        self, assets: Sequence[str], tags: Mapping[str, str], run_config: Mapping[str, Any]
    ) -> str:
        """Launch one run of `assets` and return its id.

        Raises WebserverGoneError where nobody answers, RunFailedError where Dagster refuses it.
        """
        repository, location = self._repository(assets[0])
        params = {
            "selector": {
                "repositoryName": repository,
                "repositoryLocationName": location,
                "jobName": IMPLICIT_JOB,
                "assetSelection": [_key(asset) for asset in assets],
            },
            "runConfigData": dict(run_config),
            "executionMetadata": {"tags": _tags(tags)},
        }
        answer = self._ask(_LAUNCH_RUN, {"params": params})["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise RunFailedError(f"Dagster did not launch the run: {_said(answer)}")
        return str(answer["run"]["runId"])

    def launch_backfill(
        self,
        ranges: Sequence[PartitionRange],
        tags: Mapping[str, str],
        run_config: Mapping[str, Any],
        title: str,
    ) -> str:
        """Launch a backfill of partitions of several assets, which its daemon takes upstream first; its id.

        Raises as `launch_run`.
        """
        selected: dict[str, list[dict[str, str]]] = {}
        for part in ranges:
            selected.setdefault(part.asset, []).append({"start": part.first, "end": part.last})
        params = {
            "partitionsByAssets": [
                {"assetKey": _key(asset), "partitions": {"ranges": found}}
                for asset, found in selected.items()
            ],
            "tags": _tags(tags),
            "runConfigData": dict(run_config),
            "title": title,
        }
        answer = self._ask(_LAUNCH_BACKFILL, {"params": params})["launchPartitionBackfill"]
        if answer["__typename"] != "LaunchBackfillSuccess":
            raise RunFailedError(f"Dagster did not launch the backfill: {_said(answer)}")
        return str(answer["backfillId"])

    def _repository(self, asset: str) -> tuple[str, str]:
        """Names of the repository and code location that hold an asset."""
        found = self._ask(_LOCATIONS, {"asset": _key(asset)})["assetNodeOrError"]
        if found["__typename"] != "AssetNode":
            raise WebserverGoneError(
                f"The Dagster webserver at {self.url} does not know the asset {asset}: its code location is "
                "not loaded. Its page Deployment says why; `ml-assets doctor` helps."
            )
        return found["repository"]["name"], found["repository"]["location"]["name"]

    def _ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        try:
            response = requests.post(
                f"{self.url}/graphql",
                json={"query": query, "variables": variables},
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            )
            response.raise_for_status()
            document = response.json()
        except (requests.RequestException, ValueError) as error:
            raise WebserverGoneError(
                f"No Dagster webserver answers at {self.url}, and runs are launched through it: start it, "
                "or set ML_ASSETS_WEBSERVER_URL to where it is. Nothing was launched."
            ) from error
        if document.get("errors"):
            raise RunFailedError(f"Dagster refused the call: {document['errors'][0].get('message', '')}")
        return document["data"]


def _key(asset: str) -> dict[str, list[str]]:
    return {"path": [asset]}


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _said(answer: Mapping[str, Any]) -> str:
    """What an error answers, in one line."""
    found = [item["message"] for item in answer.get("errors") or []]
    return " ".join(found) or str(answer.get("message") or answer["__typename"])
