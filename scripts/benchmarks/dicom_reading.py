"""Reads a classic CT series as segkit, MONAI's PydicomReader and SimpleITK do, in turn, each in its own process.

    python scripts/benchmarks/dicom_reading.py [--slices 400] [--repeats 5] [--headers 10000]

The series (512 x 512, 16 bits, uncompressed, one file a slice, shuffled names) is made in a temporary folder. Printed
are medians of the seconds that reading takes (after a first, tiny series, so that imports are left out), the growth of
the process's peak memory as a multiple of the volume, and each peer's seconds over segkit's. `--headers N` also times
the table of an export of N files.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measuring import kib_of

SIZE = 512
PEERS = ("segkit", "monai", "simpleitk")
TINY = "tiny"  # a series beside the measured one


def make_series(folder: Path, slices: int) -> None:
    from segkit.datasets.phantom.acquisition import draw_acquisition
    from segkit.datasets.phantom.dicom import Study, write_series
    from segkit.foundation.counted import generator

    rng = generator(2026)
    acquisition = draw_acquisition(rng, 0)
    shape = (SIZE, SIZE, slices)
    acquisition = type(acquisition)(**{**vars(acquisition), "shape": shape})
    hu = rng.integers(-1000, 1500, shape, dtype=np.int16)
    folder.mkdir(parents=True, exist_ok=True)
    write_series(hu, acquisition, Study("benchmark", 1), folder, names=(rng.permutation(slices) + 1).tolist())


def reader_of(peer: str) -> Callable[[Path], object]:
    """Import all that a peer needs, and return what reads a folder."""
    if peer == "segkit":
        from segkit.volumes.reading import read

        return read
    if peer == "monai":
        from monai.transforms import LoadImage

        return LoadImage(reader="PydicomReader", image_only=True)
    import SimpleITK

    def read_series(folder: Path) -> object:
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
        return SimpleITK.GetArrayViewFromImage(reader.Execute())

    return read_series


def measure(peer: str, folder: Path) -> None:
    """Read once in this process and print seconds and bytes of memory taken at the peak."""
    read = reader_of(peer)
    read(folder.with_name(TINY))
    before = kib_of("VmHWM")
    start = time.perf_counter()
    kept = read(folder)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "bytes": 1024 * (kib_of("VmHWM") - before), "kept": kept is not None}))


def run(peer: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", peer, str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(printed.strip().splitlines()[-1])
    return found


def compare(slices: int, repeats: int) -> None:
    volume = SIZE * SIZE * slices * 2
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "series"
        make_series(folder, slices)
        make_small(folder.with_name(TINY), 0, 3)
        found: dict[str, list[dict[str, float]]] = {peer: [] for peer in PEERS}
        for _ in range(repeats + 1):  # in turn, so that a slow minute hits all; the first round warms the disk cache
            for peer in PEERS:
                found[peer].append(run(peer, folder))
    own = statistics.median(each["seconds"] for each in found["segkit"][1:])
    print(f"{SIZE} x {SIZE} x {slices}, {volume / 1e6:.0f} MB of 16-bit voxels, medians of {repeats}")
    print(f"{'':12}{'seconds':>10}{'peer / segkit':>16}{'peak / volume':>16}")
    for peer, each in found.items():
        seconds = statistics.median(one["seconds"] for one in each[1:])
        memory = statistics.median(one["bytes"] for one in each[1:]) / volume
        print(f"{peer:12}{seconds:10.3f}{seconds / own:16.2f}{memory:16.2f}")


def time_table(count: int) -> None:
    """Time the listing of an export: small slices, headers as scanners write them."""
    from segkit.volumes.dicom.series import look_through

    with tempfile.TemporaryDirectory() as place:
        slices = 100
        for number in range(count // slices):
            make_small(Path(place) / f"{number:04d}", number, slices)
        start = time.perf_counter()
        stacks = look_through(Path(place)).stacks
        print(f"{count} files, {len(stacks)} series found in {time.perf_counter() - start:.1f} s")


def make_small(folder: Path, seed: int, slices: int) -> None:
    from segkit.datasets.phantom.acquisition import draw_acquisition
    from segkit.datasets.phantom.dicom import Study, write_series
    from segkit.foundation.counted import generator

    acquisition = draw_acquisition(generator(seed), 0)
    acquisition = type(acquisition)(**{**vars(acquisition), "shape": (16, 16, slices)})
    folder.mkdir(parents=True)
    write_series(np.zeros((16, 16, slices), np.int16), acquisition, Study(str(seed), seed), folder, names=range(slices))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--headers", type=int, default=0)
    parser.add_argument("--measure", nargs=2, metavar=("PEER", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]))
        return
    compare(options.slices, options.repeats)
    if options.headers:
        time_table(options.headers)


if __name__ == "__main__":
    main()
