"""The long run led by coverage, where atheris is installed: what reaches new lines of segkit is damaged further.

`python -m tests.fuzzing.guided READER SECONDS`; scripts/fuzz calls it where `atheris` can be imported.
"""

import logging
import shutil
import struct
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import atheris
import numpy as np

from tests.fuzzing.mutations import damaged, mutated

LONGEST = 200_000  # bytes of an input
PACKED = (
    zlib.error,
    zipfile.BadZipFile,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    struct.error,
)


def main() -> None:
    """Damage one reader's seeds until the time is over; each finding is a line."""
    name, seconds = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    room = Path(tempfile.mkdtemp(prefix="guided_"))
    with atheris.instrument_imports(include=["segkit"]):
        from tests.fuzzing.trying import BY_NAME, planted
        from tests.fuzzing.watching import complaint

        reader = BY_NAME[name]
        seeds = planted(reader, room / "seeds")
    places = [(seed, file) for seed in seeds for file in reader.damaged_files(seed)][:256]
    (room / "corpus").mkdir()
    for number, (seed, file) in enumerate(places):
        (room / "corpus" / str(number)).write_bytes(bytes([number]) + (seed / file).read_bytes())

    def try_one(data: bytes) -> None:
        if not data:
            return
        seed, file = places[data[0] % len(places)]
        folder = room / "room" / seed.name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(seed, folder)
        (folder / file).write_bytes(data[1:])
        wrong = complaint(reader.opens, folder, names_files=reader.names_files)
        if wrong:
            print(f"{name} {seed.name}/{file}: {wrong}", flush=True)

    def damage(data: bytes, most: int, seed: int) -> bytes:
        draw = np.random.default_rng(seed)
        try:
            changed = mutated(data[1:], draw)
        except PACKED:  # damaged so before that what is packed in it cannot be reached
            changed = damaged(data[1:], draw)
        return data[:1] + changed[: most - 1]

    limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-rss_limit_mb=0", "-timeout=60", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", str(room / "corpus")], try_one, custom_mutator=damage)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
