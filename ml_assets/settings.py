"""The one reader of the environment: every `ML_ASSETS_*` variable and what it means.

Nothing else in the project looks at `os.environ`.
"""

import datetime as dt
import os
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml_assets.entities import LEVELS, EntityType

PACKAGE_DIR = Path(__file__).resolve().parent

HISTORY_MONTHS = 37
"""How far back Meta's own history reaches."""


def default_data_dir() -> Path:
    """`data/` of the checkout, or `~/.local/share/ml_assets` where the package is installed."""
    checkout = PACKAGE_DIR.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "workspace.yaml").is_file():
        return checkout / "data"
    return Path.home() / ".local" / "share" / "ml_assets"


class Settings(BaseSettings):
    """Settings of one process, from `ML_ASSETS_*` variables."""

    model_config = SettingsConfigDict(env_prefix="ML_ASSETS_", extra="ignore", frozen=True)

    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of the embedded database and of Dagster's own storage.",
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy URL (SQLite or PostgreSQL); empty: a SQLite file in data_dir.",
    )
    dagster_home: Path | None = Field(
        default=None,
        validation_alias="DAGSTER_HOME",
        description="Folder of Dagster's own storage, as Dagster reads it; empty: `dagster` in data_dir.",
    )
    start_date: dt.date | None = Field(
        default=None, description="First date partition; empty: 37 months before today."
    )
    timezone: str = Field(default="UTC", description="IANA time zone of partitions and schedules.")
    schedules_on: bool = Field(
        default=False,
        description="Schedules and sensors run from the start, instead of when they are turned on in the UI.",
    )
    schedule_times: dict[str, str] = Field(
        default={}, description="Cron expressions of jobs, by name, as JSON; the others keep their times."
    )
    levels: str = Field(
        default="campaign,adset,ad",
        description="Levels whose jobs are scheduled, separated by commas.",
    )
    late_hours: float = Field(
        default=6.0, ge=0.0, description="Hours that a job of the day waits for an account's late figures."
    )
    webhook_url: str = Field(
        default="",
        repr=False,
        description="Where notifications are posted (Slack's incoming webhooks, or what understands them); "
        "empty: none are made.",
    )
    digest_time: str = Field(
        default="07:00",
        description="Time of the daily digest in ML_ASSETS_TIMEZONE, like 07:00; empty: no digest.",
    )
    stale_hours: float = Field(
        default=30.0, gt=0.0, description="Hours without a reading after which an account's source is stale."
    )
    dagster_url: str = Field(
        default="",
        description="Address of the Dagster UI as people reach it, for links; empty: no links.",
    )
    webserver_url: str = Field(
        default="",
        description="Address of the Dagster webserver as the API reaches it, to launch runs; empty: that of "
        "dagster_url, else the API starts a webserver of its own.",
    )
    api_rate_limit: float = Field(
        default=250.0, ge=0.0, description="Requests a second that the API takes of a token; 0: no limit."
    )
    api_origins: str = Field(
        default="",
        description="Origins of web pages that may call the API from a browser (CORS), such as "
        "https://dash.example.com, separated by commas; empty: none.",
    )
    forecast_methods: str = Field(
        default="",
        description="Methods that forecasts choose among, separated by commas; empty: those of "
        "`ml_assets.forecasts.candidates.DEFAULT_METHODS`.",
    )
    prophet_seconds: float = Field(
        default=60.0, ge=0.0, description="Seconds that Prophet may take for one date, where it is chosen."
    )
    language: Literal["en", "pt-BR"] = Field(
        default="en", description="Language of titles, descriptions and reports."
    )

    @field_validator("levels")
    @classmethod
    def _known_levels(cls, value: str) -> str:
        names = {name.strip() for name in value.split(",")}
        unknown = sorted(names - set(LEVELS))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: choose among {', '.join(LEVELS)}")
        needed = max((EntityType(name).path for name in names), key=len)
        if len(names) < len(needed):
            raise ValueError(f"a level stands on those above it; write {','.join(needed)}")
        return value

    @field_validator("digest_time")
    @classmethod
    def _time_of_day(cls, value: str) -> str:
        if value:
            try:
                dt.time.fromisoformat(value)
            except ValueError as error:
                raise ValueError(f"{value!r} is not a time of day such as 07:00") from error
        return value

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not an IANA time zone such as America/Sao_Paulo") from error
        return value

    @property
    def scheduled_levels(self) -> tuple[EntityType, ...]:
        """The levels whose jobs are scheduled, from the top of the tree down."""
        chosen = {name.strip() for name in self.levels.split(",")}
        return tuple(level for level in LEVELS if level.value in chosen)

    @property
    def url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'ml_assets.db'}"

    @property
    def first_date(self) -> dt.date:
        """First date partition."""
        if self.start_date is not None:
            return self.start_date
        today = dt.datetime.now(ZoneInfo(self.timezone)).date()
        months = today.year * 12 + today.month - 1 - HISTORY_MONTHS
        return dt.date(months // 12, months % 12 + 1, 1)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process; `settings.cache_clear()` reads the environment again."""
    return Settings()


def record_events_together() -> None:
    """Let Dagster store all materializations of a step at once, unless its environment says otherwise.

    Stored one by one, a backfill's daemon sees some of a run's partitions before the others, and asks for
    what follows piece by piece: a hundred runs in the place of twenty, measured on PostgreSQL.
    """
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "5000")  # noqa: TID251 - Dagster has no other door


def child_environment(**changes: str) -> dict[str, str]:
    """The environment for a process that this one starts: its own, with `changes`."""
    return {**os.environ, **changes}  # noqa: TID251 - this module is the one reader
