"""Many inputs tried on one reader, the same ones for the same numbers."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.fuzzing.configs import CONFIGS
from tests.fuzzing.mutations import file_to_damage, mutated
from tests.fuzzing.reader import Reader
from tests.fuzzing.readers import READERS
from tests.fuzzing.watching import complaint

DOORS = (*READERS, *CONFIGS)
BY_NAME = {door.name: door for door in DOORS}


@dataclass(frozen=True)
class Finding:
    """An input that was not dealt with as it should be.

    Attributes:
        number: of the input; `inputs` gives it again.
        seed: name of the seed.
        file: that was damaged.
        complaint: what happened.
    """

    number: int
    seed: str
    file: str
    complaint: str


def planted(reader: Reader, root: Path) -> list[Path]:
    """Make the seeds of a reader and make sure that they are opened, with all that this imports."""
    reader.seeds(root)
    seeds = sorted(path for path in root.iterdir() if path.is_dir())
    for seed in seeds:
        if seed.name != "objects":  # a seed that is refused as it is
            reader.opens(seed)
    return seeds


def tried(reader: Reader, seeds: list[Path], numbers: Iterator[int] | range, room: Path) -> Iterator[Finding | None]:
    """Try inputs.

    Args:
        reader: the door.
        seeds: folders that `planted` made.
        numbers: of the inputs; each stands for one seed and one damage.
        room: where the files of each input lie for a moment.
    """
    for number in numbers:
        seed = seeds[number % len(seeds)]
        draw = np.random.default_rng([number, *reader.name.encode()])
        folder = room / seed.name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(seed, folder)
        name = file_to_damage(reader.damaged_files(seed), draw)
        damaged = mutated((folder / name).read_bytes(), draw)
        (folder / name).write_bytes(damaged)
        wrong = complaint(reader.opens, folder, names_files=reader.names_files)
        yield Finding(number, seed.name, name, wrong) if wrong else None
