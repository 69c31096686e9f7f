"""The long run led by coverage, where atheris is installed: what reaches new lines of segkit is damaged further.

`python -m tests.fuzzing.guided READER SECONDS FOLDER`; scripts/fuzz calls it where `atheris` can be imported. The file
of each finding is kept in the folder.
"""

import logging
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
    name, seconds, kept = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    Path(kept).mkdir(exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix="guided_"))
    with atheris.instrument_imports(include=["segkit"]):
        from tests.fuzzing.trying import BY_NAME, TRACED_EVERY, planted, wrong_with

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
        is_traced = zlib.crc32(data) % TRACED_EVERY == 0
        if wrong := wrong_with(reader, seed, file, data[1:], is_traced=is_traced):
            found = Path(kept, f"{name}_{seed.name}_{zlib.crc32(data):08x}", Path(file).name)
            found.parent.mkdir(exist_ok=True)
            found.write_bytes(data[1:])
            print(f"{name} {seed.name}/{file}: {wrong} ({found})", flush=True)

    def damage(data: bytes, most: int, seed: int) -> bytes:
        draw = np.random.default_rng(seed)
        try:
            changed = mutated(data[1:], draw)
        except PACKED:  # damaged so before that what is packed in it cannot be reached
            changed = damaged(data[1:], draw)
        return data[:1] + changed[: most - 1]

    limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-rss_limit_mb=0", "-timeout=60"]
    tells = ["-verbosity=0", "-print_final_stats=1", f"-artifact_prefix={kept}/"]  # where what ends the process is kept
    atheris.Setup([sys.argv[0], *limits, *tells, str(room / "corpus")], try_one, custom_mutator=damage)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
