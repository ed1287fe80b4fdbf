"""Policies as files, JSON or TOML: ``{"thresholds": {"pause": 0.97}}``. Nothing is stored here."""

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.errors import UsageError

if TYPE_CHECKING:
    from ml_assets.recommendations.policy import Policy

FORMATS = (".json", ".toml")


def file_kind(path: Path) -> str:
    """The format of a policy file, by how its name ends. Raises UsageError for another ending."""
    kind = path.suffix.casefold()
    if kind not in FORMATS:
        raise UsageError(f"A policy file ends in {' or '.join(FORMATS)}, unlike {path}.")
    return kind


def policy_text(policy: "Policy", kind: str, names: set[str] | None = None) -> str:
    """The thresholds (None: all of them) as a file of `kind`, .json or .toml; TOML says what they mean."""
    from ml_assets.recommendations.policy import thresholds

    items = [item for item in thresholds() if names is None or item.name in names]
    if kind == ".json":
        values = {item.name: getattr(policy, item.name) for item in items}
        return json.dumps({"thresholds": values}, indent=2) + "\n"
    lines = [f"# Policy {policy.version}. T is the target cost per lead.", "[thresholds]"]
    for item in items:
        lines += ["", f"# {item.metadata['doc']} ({item.metadata['unit']}, default {item.default:g})"]
        lines += [f"{item.name} = {getattr(policy, item.name)!r}"]
    return "\n".join(lines) + "\n"


def load_policy_file(path: Path) -> "Policy":
    """The policy of a JSON or TOML file: the defaults with its thresholds, as version "1+file:NAME".

    What it does not name keeps its default, whatever is set in the database. Raises UsageError naming the
    file and what is wrong with it.
    """
    from ml_assets.recommendations.policy import Policy

    overrides = read_policy_file(path)
    default = Policy()
    return default.changed(overrides, f"{default.version}+file:{path.name}") if overrides else default


def read_policy_file(path: Path) -> dict[str, float]:
    """The thresholds of a file ``{"thresholds": {NAME: VALUE}}``, names and values validated."""
    from ml_assets.recommendations.policy import Policy

    kind = file_kind(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text, object_pairs_hook=_unique) if kind == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"The policy file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # not UTF-8, not JSON, not TOML
        raise UsageError(f"The policy file {path} is not {kind[1:].upper()}: {error}.") from error
    example = 'as {"thresholds": {"pause": 0.97}}' if kind == ".json" else "below a line [thresholds]"
    if not isinstance(content, dict) or not isinstance(content.get("thresholds"), dict):
        raise UsageError(f"The policy file {path} has no thresholds; write them {example}.")
    unknown = [name for name in content if name != "thresholds"]
    if unknown:
        raise UsageError(
            f"The policy file {path} has {', '.join(unknown)} beside its thresholds; write them {example}."
        )
    overrides: dict[str, float] = content["thresholds"]
    try:
        Policy().changed(overrides, path.name)
    except UsageError as error:
        raise UsageError(f"The policy file {path} cannot be used: {error}") from error
    return overrides


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a name given twice is a mistake, not a correction."""
    names = [name for name, _ in pairs]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise UsageError(f"The policy file gives {', '.join(twice)} twice; keep one of them.")
    return dict(pairs)
