"""Where Dagster keeps its runs and materializations, and opening it as the servers do."""

import shutil
from pathlib import Path

import dagster as dg

from ml_assets.settings import settings

DEFAULT_CONFIG = Path(__file__).with_name("dagster.yaml")
"""The embedded default; `dagster.yaml` of the checkout is a link to it."""


def dagster_home() -> Path:
    """DAGSTER_HOME, by default `dagster` in the data folder; made, with the default `dagster.yaml`, if new.

    A `dagster.yaml` that is there is left as it is.
    """
    home = (settings().dagster_home or settings().data_dir / "dagster").expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    config = home / DEFAULT_CONFIG.name
    if not config.exists():
        shutil.copyfile(DEFAULT_CONFIG, config)
    return home


def open_instance() -> dg.DagsterInstance:
    """The instance of `dagster_home()`, the same that webserver and daemon use. Use it in a `with`."""
    return dg.DagsterInstance.from_config(str(dagster_home()))
