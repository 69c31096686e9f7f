"""Prepare the same cases at the same new spacing with segkit and with nnU-Net, in turn, each on one core.

python scripts/benchmarks/preparation.py [--data DIR] [--work DIR] [--peer-python FILE] [--cases 60] [--repeats 3]

nnU-Net 2.8.1 runs in an environment of its own, made in WORK/nnunet unless --peer-python names one that has it. Its own
preprocessor resamples with its defaults: cubic images, linear one-hot labels. Timed are the cases alone (inside a process
that has everything loaded) and the commands `nnUNetv2_preprocess -np 1` and `segkit prepare workers=1`, start-up
included; the latter also reads fingerprints and plans, which nnU-Net did before the clock started. Then the prepared
arrays are compared voxel by voxel.
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

from segkit.config.labels import Labels, labels_from
from segkit.config.plan import Normalisation, Plan
from segkit.datasets import Case
from segkit.preparation.store import PreparedCase, prepare_case

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent.parent / "shared" / "data"
PEER, TORCH = "nnunetv2==2.8.1", "torch==2.13.0"
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
CORE = "0"


@dataclass(frozen=True)
class Cohort:
    """Cases on disk as images/ and labels/, and what is done to them."""

    number: int
    name: str
    root: Path
    family: str
    spacing: float
    labels: dict[str, int]

    @property
    def cases(self) -> list[Case]:
        paths = sorted((self.root / "images").iterdir())
        return [Case(p.name[: -len(".nii.gz")], {"image": p}, self.root / "labels" / p.name) for p in paths]

    @property
    def folder(self) -> str:
        return f"Dataset{self.number:03d}_{self.name}"


def cohorts(data: Path, work: Path, count: int) -> list[Cohort]:
    """Lay out the data sets: hippocampus, one CT with 42 and one with 41 labels, and the former with 12 x its voxels."""
    roots = {name: work / name for name in ("hippocampus", "ct_many_labels", "ct_large")}
    for root in roots.values():
        for part in ("images", "labels"):
            (root / part).mkdir(parents=True, exist_ok=True)
    for path in sorted((data / "hippocampus/images").iterdir())[:count]:
        for part in ("images", "labels"):
            shutil.copyfile(data / "hippocampus" / part / path.name, roots["hippocampus"] / part / path.name)
    ct = data / "ct_many_labels"
    for case, labels in (("full", "example_seg.nii.gz"), ("fast", "example_seg_fast.nii.gz")):
        shutil.copyfile(ct / "example_ct_sm.nii.gz", roots["ct_many_labels"] / f"images/{case}.nii.gz")
        shutil.copyfile(ct / labels, roots["ct_many_labels"] / f"labels/{case}.nii.gz")
    for part, file in (("images", "example_ct_sm.nii.gz"), ("labels", "example_seg.nii.gz")):
        small = nib.load(ct / file)
        voxels = np.asarray(small.dataobj).repeat(3, 0).repeat(3, 1).repeat(4, 2)
        large = nib.Nifti1Image(voxels, small.affine @ np.diag([1 / 3, 1 / 3, 1 / 4, 1]))
        nib.save(large, roots["ct_large"] / part / "large.nii.gz")
    many = {"background": 0} | {f"label_{value}": value for value in range(1, 118)}
    two = {"background": 0, "anterior": 1, "posterior": 2}
    return [
        Cohort(901, "hippocampus", roots["hippocampus"], "mr", 0.7, two),
        Cohort(902, "ct_many_labels", roots["ct_many_labels"], "ct", 1.5, many),
        Cohort(903, "ct_large", roots["ct_large"], "ct", 0.8, many),
    ]


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


def on_one_core(command: Sequence[Any], variables: dict[str, str] | None = None) -> tuple[float, float, str]:
    """Run a command on one core; return its seconds, the MB of its largest process at its peak, and what it printed."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, **(variables or {})}
    start = time.perf_counter()
    process = subprocess.Popen(
        ["taskset", "-c", CORE, *map(str, command)], env=environment, stdout=subprocess.PIPE, text=True
    )
    printed = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{printed}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024, printed


class Peer:
    """nnU-Net on one cohort."""

    def __init__(self, python: Path, work: Path, cohort: Cohort) -> None:
        self.python, self.cohort = python, cohort
        folders = {name: work / name for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
        self.variables = {name: str(folder) for name, folder in folders.items()}
        raw = folders["nnUNet_raw"] / cohort.folder
        self.prepared = folders["nnUNet_preprocessed"] / cohort.folder
        for part in ("imagesTr", "labelsTr"):
            (raw / part).mkdir(parents=True, exist_ok=True)
        for case in cohort.cases:
            shutil.copyfile(case.images["image"], raw / f"imagesTr/{case.name}_0000.nii.gz")
            shutil.copyfile(case.reference or "", raw / f"labelsTr/{case.name}.nii.gz")
        description = {
            "channel_names": {"0": {"ct": "CT", "mr": "MRI"}[cohort.family]},
            "labels": cohort.labels,
            "numTraining": len(cohort.cases),
            "file_ending": ".nii.gz",
        }
        (raw / "dataset.json").write_text(json.dumps(description))
        spacing = [str(cohort.spacing)] * 3
        self.run("nnUNetv2_extract_fingerprint", "-np", "1")
        self.run("nnUNetv2_plan_experiment", "-overwrite_target_spacing", *spacing)

    def run(self, tool: str, *words: str) -> tuple[float, float, str]:
        return on_one_core([self.python.parent / tool, "-d", self.cohort.number, *words], self.variables)

    def command(self) -> tuple[float, float]:
        shutil.rmtree(self.prepared / "nnUNetPlans_3d_fullres", ignore_errors=True)
        return self.run("nnUNetv2_preprocess", "-c", "3d_fullres", "-np", "1")[:2]

    def cases(self, export: Path | None = None) -> tuple[float, float]:
        """Return seconds and peak MB of the cases alone."""
        words = ["--export", export] if export else []
        script = [self.python, HERE / "preparation_peer.py", self.cohort.number, *words]
        told = json.loads(on_one_core(script, self.variables)[2].splitlines()[-1])
        return sum(told["seconds"].values()), told["peak_kb"] / 1024

    def normalisation(self) -> Normalisation:
        """Return nnU-Net's own figures, so that both do the same to intensities."""
        if self.cohort.family != "ct":
            return Normalisation("zscore")
        plans = json.loads((self.prepared / "nnUNetPlans.json").read_text())
        known = plans["foreground_intensity_properties_per_channel"]["0"]
        return Normalisation(
            "clip_zscore", known["percentile_00_5"], known["percentile_99_5"], known["mean"], known["std"]
        )


def plan_for(cohort: Cohort, how: Normalisation) -> Plan:
    """Return a plan that only changes spacing, as nnU-Net does."""
    return Plan(3, None, (cohort.spacing,) * 3, (8, 8, 8), 2, ((1, 1, 1),), ((3, 3, 3),), {"image": how})


def prepare_cases(cohort: Cohort, plan: Plan, labels: Labels, store: Path) -> list[PreparedCase]:
    return [prepare_case(case, plan=plan, labels=labels, store=store) for case in cohort.cases]


def inside(cohort: Cohort, how: Normalisation, store: Path) -> None:
    """Prepare the cases in this process, everything loaded, and print seconds and peak memory."""
    start = time.perf_counter()
    prepare_cases(cohort, plan_for(cohort, how), labels_from(cohort.labels), store)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


class Ours:
    """segkit on one cohort."""

    def __init__(self, work: Path, cohort: Cohort, how: Normalisation, arguments: argparse.Namespace) -> None:
        self.cohort, self.how, self.store, self.arguments = cohort, how, work / f"store_{cohort.name}", arguments

    def command(self) -> tuple[float, float]:
        shutil.rmtree(self.store, ignore_errors=True)
        labels = ",".join(f"{name}:{value}" for name, value in self.cohort.labels.items())
        words = [
            *("data=paired", f"data.root={self.cohort.root}", f"data.channels={{image:{self.cohort.family}}}"),
            *(f"data.labels={{{labels}}}", f"paths.cache={self.store}", "workers=1", "plan.orientation=null"),
            *(f"plan.spacing={[self.cohort.spacing] * 3}".replace(" ", ""), "data.split.held_out_fraction=null"),
        ]
        return on_one_core([sys.executable, "-m", "segkit", "prepare", *words])[:2]

    def cases(self) -> tuple[float, float]:
        """Return seconds and peak MB of the cases alone."""
        shutil.rmtree(self.store, ignore_errors=True)
        known = [self.how.scheme, self.how.low, self.how.high, self.how.mean, self.how.std]
        words = ["--inside", self.cohort.name, json.dumps(known), self.store]
        shared = ["--data", self.arguments.data, "--work", self.arguments.work, "--cases", self.arguments.cases]
        told = json.loads(on_one_core([sys.executable, __file__, *shared, *words])[2])
        return told["seconds"], told["peak_kb"] / 1024


def compare(cohort: Cohort, ours: list[PreparedCase], exported: Path) -> None:
    """Print how far the prepared arrays agree."""
    differences, same, foreground, counted = [], 0, [], 0
    for case in ours:
        image, labels = (np.load(exported / f"{case.name}_{kind}.npy")[0] for kind in ("image", "labels"))
        if image.shape != case.grid.shape:
            raise SystemExit(f"{case.name}: {image.shape} voxels in nnU-Net, {case.grid.shape} in segkit")
        differences.append(np.abs(image - case.image[0].astype(np.float32)).ravel() / image.std())
        labels = np.maximum(labels, 0)  # -1 is nnU-Net's mark for what lies outside the nonzero voxels
        equal = labels == case.reference
        same, counted = same + np.count_nonzero(equal), counted + equal.size
        foreground.append(np.mean(equal[(labels > 0) | (case.reference > 0)]))
    found = np.percentile(np.concatenate(differences), [50, 99, 99.9, 100])
    print(
        f"  labels equal: {same / counted:.4%} of all voxels, {np.mean(foreground):.3%} of labelled ones; images differ "
        f"by {', '.join(f'{value:.1e}' for value in found)} std at the 50th, 99th, 99.9th, 100th percentile"
    )


def report(cohort: Cohort, figures: dict[str, list[tuple[float, float]]]) -> None:
    """Print medians over repeats."""
    count = len(cohort.cases)
    print(f"{cohort.name}: {count} cases to {cohort.spacing} mm, {len(cohort.labels) - 1} labels declared")
    for what in dict.fromkeys(key.split()[1] for key in figures):
        seconds, memory = (
            {side: statistics.median(run[index] for run in figures[f"{side} {what}"]) for side in ("segkit", "nnU-Net")}
            for index in (0, 1)
        )
        shown = "; ".join(f"{s} {count / seconds[s]:.2f} cases/s, peak {memory[s]:.0f} MB" for s in seconds)
        faster, smaller = (kind["nnU-Net"] / kind["segkit"] for kind in (seconds, memory))
        ratios = [b[0] / a[0] for a, b in zip(figures[f"segkit {what}"], figures[f"nnU-Net {what}"], strict=True)]
        print(
            f"  {what}: {shown}: {faster:.1f} x faster ({min(ratios):.1f} to {max(ratios):.1f}), 1/{smaller:.1f} of memory"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEGKIT_DATA", DATA))
    parser.add_argument("--work", type=Path, default=Path("preparation_benchmark"), help="folder for all that is made")
    parser.add_argument(
        "--peer-python", type=Path, help="a Python that has nnU-Net 2.8.1; default: an environment is made"
    )
    parser.add_argument("--cases", type=int, default=60, help="of hippocampus")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--what", nargs="+", default=["cases", "command"], help="cases alone, the whole command, or both")
    parser.add_argument("--sets", nargs="+", help="hippocampus, ct_many_labels, ct_large; default: all")
    parser.add_argument("--inside", nargs=3, metavar=("SET", "HOW", "STORE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = arguments.work = arguments.work.resolve()
    if arguments.inside:
        name, how, store = arguments.inside
        known = {cohort.name: cohort for cohort in cohorts(Path(arguments.data), work, arguments.cases)}
        inside(known[name], Normalisation(*json.loads(how)), Path(store))
        return
    python = arguments.peer_python or peer_environment(work)
    for cohort in cohorts(Path(arguments.data), work, arguments.cases):
        if arguments.sets and cohort.name not in arguments.sets:
            continue
        peer = Peer(python, work, cohort)
        ours = Ours(work, cohort, peer.normalisation(), arguments)
        figures: dict[str, list[tuple[float, float]]] = {}
        for _ in range(arguments.repeats):
            for what in arguments.what:
                for side, runner in (("segkit", ours), ("nnU-Net", peer)):
                    figures.setdefault(f"{side} {what}", []).append(getattr(runner, what)())
        report(cohort, figures)
        exported = work / f"exported_{cohort.name}"
        exported.mkdir(exist_ok=True)
        peer.cases(exported)
        compare(
            cohort, prepare_cases(cohort, plan_for(cohort, ours.how), labels_from(cohort.labels), ours.store), exported
        )


if __name__ == "__main__":
    main()
