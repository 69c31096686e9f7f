"""Many inputs tried on one reader, the same ones for the same numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.fuzzing.configs import CONFIGS
from tests.fuzzing.mutations import file_to_damage, mutated
from tests.fuzzing.reader import Reader
from tests.fuzzing.readers import READERS
from tests.fuzzing.watching import complaint

TRACED_EVERY = 23  # has no factor in common with the number of any reader's seeds

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


def tried(reader: Reader, seeds: list[Path], numbers: Iterator[int] | range) -> Iterator[Finding | None]:
    """Try inputs.

    Args:
        reader: the door.
        seeds: folders that `planted` made.
        numbers: of the inputs; each stands for one seed and one damage.
    """
    files = {seed: reader.damaged_files(seed) for seed in seeds}
    for number in numbers:
        seed = seeds[number % len(seeds)]
        draw = np.random.default_rng([number, *reader.name.encode()])
        name = file_to_damage(files[seed], draw)
        content = mutated((seed / name).read_bytes(), draw)
        wrong = wrong_with(reader, seed, name, content, is_traced=number % TRACED_EVERY == 0)
        yield Finding(number, seed.name, name, wrong) if wrong else None


def wrong_with(reader: Reader, seed: Path, name: str, content: bytes, *, is_traced: bool) -> str | None:
    """Open a seed while one of its files holds something else; return what is wrong with how it was dealt with."""
    whole = (seed / name).read_bytes()
    _replace(seed / name, content)
    try:
        return complaint(reader.opens, seed, names_files=reader.names_files, is_traced=is_traced)
    finally:
        _replace(seed / name, whole)


def _replace(path: Path, content: bytes) -> None:
    path.unlink()  # what an earlier reading still maps must not change
    path.write_bytes(content)
