"""What a check of `ml-assets doctor` says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and what to do (empty: nothing)."""

    topic: str
    found: str
    todo: str = ""
