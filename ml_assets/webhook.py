"""One call of a webhook. When and how often it is tried again is decided where notices wait."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from ml_assets.errors import MlAssetsError

TIMEOUT_SECONDS = 10.0

MOST_OF_ANSWER = 200
"""Characters of an answer that an error quotes."""


class WebhookError(MlAssetsError):
    """The webhook did not take the message; the sentence never holds its address, which is a secret."""

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
        """Seconds the other side asks to be left alone; None: it says nothing."""


def post(url: str, payload: Mapping[str, Any]) -> None:
    """Post `payload` as JSON. Raises WebhookError unless the other side says that it took it (2xx)."""
    host = urlsplit(url).hostname or "the webhook"
    try:
        answer = requests.post(url, json=dict(payload), timeout=TIMEOUT_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        raise WebhookError(
            f"{host} cannot be reached ({type(error).__name__}): check ML_ASSETS_WEBHOOK_URL and the network."
        ) from None
    if not answer.ok or answer.is_redirect:
        raise WebhookError(
            f"{host} answered {answer.status_code} {answer.text[:MOST_OF_ANSWER].strip()!r}: check that "
            "ML_ASSETS_WEBHOOK_URL is the address of a webhook that is still there.",
            _seconds(answer.headers.get("Retry-After")),
        )


def _seconds(text: str | None) -> float | None:
    """The header's seconds; None where it names a date or nothing."""
    return float(text) if text is not None and text.isdigit() else None
