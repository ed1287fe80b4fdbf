"""A notice, and the parts its body is made of: Slack's blocks, which Mattermost and others read as well."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MOST_BLOCKS = 50
MOST_IN_SECTION = 3000
MOST_IN_HEADER = 150
"""Slack's limits: blocks of a message, characters of a section and of a header."""


class NoticeKind(StrEnum):
    """What a notice is about."""

    INCIDENT = "incident"
    RUN_FAILURE = "run_failure"
    STALE_SOURCE = "stale_source"
    DIGEST = "digest"
    TEST = "test"


@dataclass(frozen=True)
class Notice:
    """What one call of the webhook says."""

    key: str
    """Names what it tells; of a key there is one notice ever."""
    kind: NoticeKind
    text: str
    """One line without markup: what a phone shows, and what is read where blocks are not."""
    blocks: tuple[dict[str, Any], ...] = ()
    config_id: int | None = None
    """The account it is about; None: several, or none."""
    incident_id: str | None = None
    event: str | None = None
    """What happened to the incident."""
    money: float | None = None
    """What was at stake a day when it was told, in the account's currency."""
    is_provisional: bool = False
    """Whether that was of a day that still ran."""

    @property
    def payload(self) -> dict[str, Any]:
        """The body of the call: `text` and, where there are any, `blocks`."""
        return {"text": escaped(self.text), **({"blocks": list(self.blocks)} if self.blocks else {})}


def escaped(text: str) -> str:
    """Text in which nothing is markup: names of campaigns hold brackets, and must not mention a channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def header(text: str) -> dict[str, Any]:
    """A heading, plain text, cut where Slack takes no more."""
    return {"type": "header", "text": {"type": "plain_text", "text": cut(text, MOST_IN_HEADER)}}


def section(text: str) -> dict[str, Any]:
    """A paragraph. `text` is markup: what comes from data goes through `escaped` first."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, MOST_IN_SECTION)}}


def context(texts: Iterable[str]) -> dict[str, Any]:
    """Small print, a part each; markup as in `section`."""
    return {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": cut(text, MOST_IN_SECTION)} for text in texts],
    }


def divider() -> dict[str, Any]:
    """A line between parts."""
    return {"type": "divider"}


def bulleted(lines: Sequence[str]) -> str:
    """Lines of a list, one below the other."""
    return "\n".join(f"• {line}" for line in lines)


def cut(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis; never the half of an escaped character."""
    if len(text) <= most:
        return text
    kept = text[: most - 1]
    opened = kept.rfind("&")
    return (kept[:opened] if opened > kept.rfind(";") else kept) + "…"
