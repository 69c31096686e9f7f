"""One training of a study, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Trial:
    """A training that is ready to start.

    Attributes:
        name: its swept overrides, safe as a folder's name; unique in the study.
        config: the composed yaml.
        run: the run folder it will write.
        overrides: the words from which the yaml was composed.
    """

    name: str
    config: Path
    run: Path
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """How a trial ended.

    Attributes:
        trial: which.
        exit_code: of its process; negative for the signal that killed it.
        seconds: wall time.
    """

    trial: Trial
    exit_code: int
    seconds: float

    @property
    def is_success(self) -> bool:
        """Whether the training came to its end."""
        return self.exit_code == 0

    @property
    def state(self) -> str:
        """One or a few words: `finished`, `failed with exit code 1`, `killed by signal 9`."""
        if self.is_success:
            return "finished"
        if self.exit_code < 0:
            return f"killed by signal {-self.exit_code}"
        return f"failed with exit code {self.exit_code}"
