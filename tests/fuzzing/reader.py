"""What a door for files of others is to the fuzzing, and the folders of its seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path


@dataclass(frozen=True)
class Reader:
    """A door.

    Attributes:
        name: of it.
        seeds: makes the seeds as folders below the one it is given.
        opens: opens a folder that looks like a seed; returns the bytes of voxels that came back.
        damages: patterns of the names of files that are damaged.
        share: of the usual number of tries, for readers that are slow.
        names_files: whether a refusal names the file; configs name the key instead.
    """

    name: str
    seeds: Callable[[Path], None]
    opens: Callable[[Path], int | None]
    damages: Sequence[str] = ("*",)
    share: float = 1.0
    names_files: bool = True

    def damaged_files(self, seed: Path) -> list[str]:
        """Return the files of a seed that are damaged, relative to it."""
        files = sorted(path.relative_to(seed).as_posix() for path in seed.rglob("*") if path.is_file())
        return [name for name in files if any(fnmatch(Path(name).name, pattern) for pattern in self.damages)]


def seed_folder(root: Path, name: str) -> Path:
    """Return a new folder of a seed."""
    (root / name).mkdir(parents=True)
    return root / name
