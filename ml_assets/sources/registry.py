"""Which source an account is read from: `kind` in `ads_accounts.source` -> the source's class."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ml_assets.errors import UsageError
from ml_assets.sources.protocol import InsightsSource, SourceFactory


def _synthetic() -> SourceFactory:
    from ml_assets.sources.synthetic import SyntheticSource  # noqa: PLC0415 - scipy only where it is used

    return SyntheticSource.from_config


KINDS: Mapping[str, Callable[[], SourceFactory]] = {"synthetic": _synthetic}
"""Kind -> what imports its factory; a source's packages are imported only where it is used."""


def source_of(account_source: str | Mapping[str, Any] | None) -> InsightsSource | None:
    """The source an account's `source` column (JSON text or mapping) names; None: fed from outside.

    Raises UsageError where it is not JSON or names no kind that exists.
    """
    if account_source is None:
        return None
    try:
        config = json.loads(account_source) if isinstance(account_source, str) else dict(account_source)
    except ValueError as error:
        raise UsageError(f"The source of an account is not JSON: {account_source!r}") from error
    if config is None:
        return None
    kind = str(config.get("kind")) if isinstance(config, dict) else ""
    if kind not in KINDS:
        raise UsageError(
            f"An account's source names the kind {kind!r}; there is {', '.join(sorted(KINDS))}, or none "
            "for an account that is fed from outside."
        )
    return KINDS[kind]()(config)
