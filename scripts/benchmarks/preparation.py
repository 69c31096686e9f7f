"""Prepare the same cases at the same new spacing with segkit and with nnU-Net, in turn, each on one core.

python scripts/benchmarks/preparation.py [--data DIR] [--work DIR] [--peer-python FILE] [--cases 60] [--repeats 3]

nnU-Net 2.8.1 runs in an environment of its own, made in WORK/nnunet unless --peer-python names one that has it. Its own
preprocessor resamples with its defaults: cubic images, linear one-hot labels. Timed are the cases alone, in a process
that has everything loaded, and the commands `nnUNetv2_preprocess -np 1` and `segkit prepare plan=FILE workers=1` with
their start-up: both have a plan by then, and segkit reads its fingerprints once more. Then the prepared arrays are
compared voxel by voxel. Needs Linux (taskset).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from segkit.config.labels import labels_from
from segkit.config.plan import Normalisation, Plan
from segkit.datasets import Case
from segkit.foundation.files import write_yaml
from segkit.preparation.store import PreparedCase, prepare_case

HERE = Path(__file__).resolve().parent
PEER, TORCH = "nnunetv2==2.8.1", "torch==2.13.0"
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
CORE = "0"
TIE = 1e-5  # of a label's share: below it rounding decides between two labels
MANY = {"background": 0} | {f"label_{value}": value for value in range(1, 118)}
# A process begins with the peak of the one that starts it, so a small one stands between this one and what it measures.
LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
seconds = time.perf_counter() - start
sys.stdout.buffer.write(done.stdout)
print()
print(json.dumps({"seconds": seconds, "peak_kb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}))
sys.exit(done.returncode)
"""
Figure = tuple[float, float]  # seconds, and MB of the largest process at its peak


@dataclass(frozen=True)
class Cohort:
    """Cases on disk as images/ and labels/ below `root`, and what is done to them."""

    number: int
    root: Path
    family: str
    spacing: float
    labels: dict[str, int]

    @property
    def folder(self) -> str:
        """What nnU-Net calls it."""
        return f"Dataset{self.number:03d}_{self.root.name}"

    def cases(self) -> list[Case]:
        """Return its cases."""
        paths = sorted((self.root / "images").iterdir())
        return [Case(p.name[: -len(".nii.gz")], {"image": p}, self.root / "labels" / p.name) for p in paths]

    def plan(self, how: Normalisation) -> Plan:
        """Return a plan that only changes spacing, as nnU-Net does."""
        return Plan(3, None, (self.spacing,) * 3, (8, 8, 8), 2, ((1, 1, 1),), ((3, 3, 3),), {"image": how})

    def prepare(self, how: Normalisation, store: Path) -> list[PreparedCase]:
        """Prepare its cases with segkit in this process."""
        plan, labels = self.plan(how), labels_from(self.labels)
        return [prepare_case(case, plan=plan, labels=labels, store=store) for case in self.cases()]


def cohorts(work: Path) -> list[Cohort]:
    """Return the data sets: hippocampus; a CT with 42 and with 41 labels; the former at 36 times its voxels."""
    return [
        Cohort(901, work / "hippocampus", "mr", 0.7, {"background": 0, "anterior": 1, "posterior": 2}),
        Cohort(902, work / "ct_many_labels", "ct", 1.5, MANY),
        Cohort(903, work / "ct_large", "ct", 0.8, MANY),
    ]


def lay_out(work: Path, data: Path, count: int) -> None:
    """Write the cases of all data sets."""
    hippocampus, ct, large = (cohort.root for cohort in cohorts(work))
    for root in (hippocampus, ct, large):
        shutil.rmtree(root, ignore_errors=True)
        for part in ("images", "labels"):
            (root / part).mkdir(parents=True)
    for path in sorted((data / "hippocampus/images").iterdir())[:count]:
        for part in ("images", "labels"):
            shutil.copyfile(data / "hippocampus" / part / path.name, hippocampus / part / path.name)
    for case, labels in (("full", "example_seg.nii.gz"), ("fast", "example_seg_fast.nii.gz")):
        shutil.copyfile(data / "ct_many_labels/example_ct_sm.nii.gz", ct / f"images/{case}.nii.gz")
        shutil.copyfile(data / "ct_many_labels" / labels, ct / f"labels/{case}.nii.gz")
    for part in ("images", "labels"):
        small = nib.load(ct / part / "full.nii.gz")
        voxels = np.asarray(small.dataobj).repeat(3, 0).repeat(3, 1).repeat(4, 2)
        nib.save(nib.Nifti1Image(voxels, small.affine @ np.diag([1 / 3, 1 / 3, 1 / 4, 1])), large / part / "a.nii.gz")


def peer_environment(work: Path) -> Path:
    """Make nnU-Net's environment, with the CPU build of torch that pip's own indexes or PyTorch's offer."""
    python = work / "nnunet/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", work / "nnunet"], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, f"{TORCH}+cpu"], check=False, capture_output=True).returncode:
        subprocess.run([*pip, f"{TORCH}+cpu", "--index-url", CPU_WHEELS], check=True)
    subprocess.run([*pip, f"{TORCH}+cpu", PEER], check=True)
    return python


def on_one_core(command: Sequence[Any], variables: dict[str, str] | None = None) -> tuple[Figure, str]:
    """Run a command on one core; return its figures and what it printed."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    words = [sys.executable, "-S", "-c", LAUNCHER, "taskset", "-c", CORE, *map(str, command)]
    environment = {**os.environ, **threads, **(variables or {})}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}")
    printed, _, figures = done.stdout.rstrip().rpartition("\n")
    return told(figures), printed


def told(printed: str) -> Figure:
    """Read the figures that a process printed about itself in its last line."""
    figures = json.loads(printed.rstrip().splitlines()[-1])
    return figures["seconds"], figures["peak_kb"] / 1024


class Peer:
    """nnU-Net on one data set, planned already."""

    def __init__(self, python: Path, work: Path, cohort: Cohort) -> None:
        self.python, self.cohort = python, cohort
        folders = {name: work / name for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
        self.variables = {name: str(folder) for name, folder in folders.items()}
        raw = folders["nnUNet_raw"] / cohort.folder
        self.prepared = folders["nnUNet_preprocessed"] / cohort.folder
        for folder in (raw, self.prepared):
            shutil.rmtree(folder, ignore_errors=True)
        for part in ("imagesTr", "labelsTr"):
            (raw / part).mkdir(parents=True)
        for case in cohort.cases():
            shutil.copyfile(case.images["image"], raw / f"imagesTr/{case.name}_0000.nii.gz")
            shutil.copyfile(cohort.root / f"labels/{case.name}.nii.gz", raw / f"labelsTr/{case.name}.nii.gz")
        described = {"channel_names": {"0": {"ct": "CT", "mr": "MRI"}[cohort.family]}, "labels": cohort.labels}
        described |= {"numTraining": len(cohort.cases()), "file_ending": ".nii.gz"}
        (raw / "dataset.json").write_text(json.dumps(described))
        self.run("nnUNetv2_extract_fingerprint", "-np", 1)
        self.run("nnUNetv2_plan_experiment", "-overwrite_target_spacing", *[cohort.spacing] * 3)

    def run(self, tool: str, *words: Any) -> Figure:
        """Run one of its commands."""
        return on_one_core([self.python.parent / tool, "-d", self.cohort.number, *words], self.variables)[0]

    def command(self) -> Figure:
        """Prepare all cases with its command."""
        shutil.rmtree(self.prepared / "nnUNetPlans_3d_fullres", ignore_errors=True)
        return self.run("nnUNetv2_preprocess", "-c", "3d_fullres", "-np", 1)

    def cases(self, *words: Any) -> Figure:
        """Prepare the cases alone."""
        return told(
            on_one_core([self.python, HERE / "preparation_peer.py", self.cohort.number, *words], self.variables)[1]
        )

    def normalisation(self) -> Normalisation:
        """Return its own figures, so that both do the same to intensities."""
        if self.cohort.family != "ct":
            return Normalisation("zscore")
        plans = json.loads((self.prepared / "nnUNetPlans.json").read_text())
        known = plans["foreground_intensity_properties_per_channel"]["0"]
        names = ("percentile_00_5", "percentile_99_5", "mean", "std")
        return Normalisation("clip_zscore", *(known[name] for name in names))


class Ours:
    """segkit on one data set, planned already."""

    def __init__(self, work: Path, cohort: Cohort, how: Normalisation) -> None:
        self.work, self.cohort, self.how = work, cohort, how
        self.store, self.plan = work / f"store_{cohort.root.name}", work / f"plan_{cohort.root.name}.yaml"
        write_yaml(self.plan, cohort.plan(how))

    def command(self) -> Figure:
        """Prepare all cases with its command."""
        shutil.rmtree(self.store, ignore_errors=True)
        labels = ",".join(f"{name}:{value}" for name, value in self.cohort.labels.items())
        words = ["data=paired", f"data.root={self.cohort.root}", f"data.channels={{image:{self.cohort.family}}}"]
        words += [f"data.labels={{{labels}}}", f"plan={self.plan}", f"paths.cache={self.store}", "workers=1"]
        return on_one_core([sys.executable, "-m", "segkit", "prepare", *words])[0]

    def cases(self) -> Figure:
        """Prepare the cases alone."""
        shutil.rmtree(self.store, ignore_errors=True)
        words = ["--work", self.work, "--inside", self.cohort.number, json.dumps(vars(self.how)), self.store]
        return told(on_one_core([sys.executable, __file__, *words])[1])


def inside(cohort: Cohort, how: Normalisation, store: Path) -> None:
    """Prepare the cases in this process, everything loaded, and print seconds and peak memory."""
    start = time.perf_counter()
    cohort.prepare(how, store)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def lead(case: PreparedCase, reference: Path, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return by how much the linear share of nnU-Net's label exceeds that of segkit's, where they differ."""
    labels = np.asarray(nib.load(reference).dataobj)
    places = np.argwhere(ours != theirs)
    indices = np.c_[places, np.ones(len(places))] @ case.grid.index_to(case.scan_grid).T
    indices = np.clip(indices[:, :3], 0, np.array(labels.shape) - 1)
    low, ahead = np.floor(indices).astype(int), np.zeros(len(places))
    for corner in np.ndindex(2, 2, 2):
        at = np.minimum(low + corner, np.array(labels.shape) - 1)
        weight = np.prod(np.where(corner, indices - low, 1 - (indices - low)), axis=1)
        there = labels[tuple(at.T)]
        ahead += weight * ((there == theirs[tuple(places.T)]).astype(float) - (there == ours[tuple(places.T)]))
    return ahead


def compare(cohort: Cohort, prepared: list[PreparedCase], exported: Path) -> None:
    """Print how far the prepared arrays agree."""
    differences, aheads, equal, labelled = [], [], [], []
    for case in prepared:
        image, labels = (np.load(exported / f"{case.name}_{kind}.npy")[0] for kind in ("image", "labels"))
        if image.shape != case.grid.shape:
            raise SystemExit(f"{case.name}: {image.shape} voxels in nnU-Net, {case.grid.shape} in segkit")
        differences.append(np.abs(image - case.image[0].astype(np.float32)).ravel() / image.std())
        labels = np.maximum(labels, 0)  # -1 is background outside the nonzero voxels, a label of its own
        equal.append((labels == case.reference).ravel())
        labelled.append(((labels > 0) | (case.reference > 0)).ravel())
        aheads.append(lead(case, cohort.root / f"labels/{case.name}.nii.gz", np.asarray(case.reference), labels))
    same, ahead = np.concatenate(equal), np.concatenate(aheads)
    found = np.percentile(np.concatenate(differences), [50, 99, 100])
    ties, lost = np.count_nonzero(np.abs(ahead) < TIE), np.count_nonzero(ahead <= -TIE)
    print(
        f"  labels equal: {same.mean():.4%} of all voxels, {same[np.concatenate(labelled)].mean():.3%} of labelled "
        f"ones; of the {len(ahead)} others {ties} are ties of two labels' shares, and in {lost} background, "
        f"which nnU-Net splits in two, had the larger share\n"
        f"  images differ by {', '.join(f'{value:.1e}' for value in found)} std (50th, 99th, 100th percentile)"
    )


def report(cohort: Cohort, what: str, ours: list[Figure], theirs: list[Figure]) -> None:
    """Print medians over repeats, and the range of the ratios of runs that followed each other."""
    count = len(cohort.cases())
    (s, m), (peer_s, peer_m) = (map(statistics.median, zip(*side, strict=True)) for side in (ours, theirs))
    ratios = [b[0] / a[0] for a, b in zip(ours, theirs, strict=True)]
    print(
        f"  {what}: segkit {count / s:.2f} cases/s, peak {m:.0f} MB; nnU-Net {count / peer_s:.2f} cases/s, peak "
        f"{peer_m:.0f} MB: {peer_s / s:.1f} x as fast ({min(ratios):.1f} to {max(ratios):.1f}), "
        f"{m / peer_m:.2f} of the memory"
    )


def run(cohort: Cohort, python: Path, work: Path, repeats: int) -> None:
    """Measure and compare one data set."""
    peer = Peer(python, work, cohort)
    ours = Ours(work, cohort, peer.normalisation())
    count, labels = len(cohort.cases()), len(cohort.labels) - 1
    print(f"{cohort.root.name}: {count} cases to {cohort.spacing} mm, {labels} labels declared")
    for what in ("cases", "command"):
        pairs = [(getattr(ours, what)(), getattr(peer, what)()) for _ in range(repeats)]
        report(cohort, what, [first for first, _ in pairs], [second for _, second in pairs])
    exported = work / f"exported_{cohort.root.name}"
    exported.mkdir(exist_ok=True)
    peer.cases("--export", exported)
    compare(cohort, cohort.prepare(ours.how, ours.store), exported)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEGKIT_DATA"), help="folder of real scans")
    parser.add_argument("--work", type=Path, default=Path("preparation_benchmark"), help="folder for all that is made")
    parser.add_argument("--peer-python", type=Path, help="a Python with nnU-Net 2.8.1; default: an environment is made")
    parser.add_argument("--cases", type=int, default=60, help="of hippocampus")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sets", nargs="+", help="hippocampus, ct_many_labels, ct_large; default: all")
    parser.add_argument("--inside", nargs=3, metavar=("NUMBER", "HOW", "STORE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    if arguments.inside:
        number, how, store = arguments.inside
        (cohort,) = [cohort for cohort in cohorts(work) if cohort.number == int(number)]
        inside(cohort, Normalisation(**json.loads(how)), Path(store))
        return
    if arguments.data is None:
        parser.error("name the folder that holds hippocampus/ and ct_many_labels/ by --data or SEGKIT_DATA")
    python = arguments.peer_python or peer_environment(work)
    lay_out(work, arguments.data, arguments.cases)
    for cohort in cohorts(work):
        if not arguments.sets or cohort.root.name in arguments.sets:
            run(cohort, python, work, arguments.repeats)


if __name__ == "__main__":
    main()
