"""Where the public data of the measurements is. None of it comes with the project."""

from pathlib import Path

DEFAULT_FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Beside the checkout."""


def data_folder(given: Path | None, part: str) -> Path:
    """The folder given, or the `part` of the default one."""
    return given if given is not None else DEFAULT_FOLDER / part


def skip_reason(folder: Path, needed: str) -> str | None:
    """A sentence that says why there is nothing to measure; None where there is."""
    if (folder / needed).is_file():
        return None
    return f"Skipped: there is no {needed} in {folder}; name the folder that has it with --data FOLDER."
