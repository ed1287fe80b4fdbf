"""What a method gives back to be measured, and the disk it may be kept on between two runs."""

import hashlib
import resource
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from benchmarks.forecasts.series import HORIZON, Part
from ml_assets.features.grid import FloatArray, IntArray


@dataclass(frozen=True)
class Outcome:
    """Forecasts of some rows of a part at its origins; arrays are (origins, rows, horizon)."""

    points: FloatArray
    seconds: float
    """Of the processor, for one forecast date of one series."""
    lower: FloatArray | None = None
    """End of the interval that is to hold 80 %; None where a method has none."""
    upper: FloatArray | None = None
    inside: FloatArray | None = None
    """Counts: probability that the randomised PIT of what came is in [0.1, 0.9]; None: use the interval."""

    def take(self, places: IntArray) -> "Outcome":
        """Only some of the rows, by their place."""
        return self._with(lambda array: array[:, places])

    def latest(self, origins: int) -> "Outcome":
        """Only so many last origins."""
        return self._with(lambda array: array[-origins:])

    def _with(self, chosen: Callable[[FloatArray], FloatArray]) -> "Outcome":
        names = ("points", "lower", "upper", "inside")
        arrays = {name: getattr(self, name) for name in names}
        return replace(self, **{name: chosen(array) for name, array in arrays.items() if array is not None})


def processor_seconds() -> float:
    """Seconds of the processor that this process and the children it has waited for took."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@dataclass
class Cache:
    """A folder of outcomes, one file for each method and part; without a folder nothing is kept."""

    folder: Path | None = None
    used: int = 0
    """Outcomes that were read instead of made."""

    def get(self, set_name: str, part: Part, method: str, make: Callable[[], Outcome]) -> Outcome:
        """The outcome of `method` on the scored rows of `part`, made where it is not in the folder."""
        if self.folder is None:
            return make()
        rows = part.batch.values[part.scored]
        key = hashlib.sha256(rows.tobytes() + repr((part.origins, HORIZON, part.batch.start)).encode())
        path = self.folder / f"{set_name}-{part.name}-{method}-{key.hexdigest()[:16]}.npz".replace(" ", "_")
        if path.is_file():
            self.used += 1
            with np.load(path) as stored:
                return Outcome(
                    seconds=float(stored["seconds"]),
                    **{name: stored[name] for name in stored.files if name != "seconds"},
                )
        outcome = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {item.name: getattr(outcome, item.name) for item in fields(outcome)}
        np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
        return outcome
