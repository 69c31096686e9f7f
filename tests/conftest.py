"""Fixtures that every test may use."""

import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock
from hypothesis import settings

if TYPE_CHECKING:
    from tests.orthanc import Orthanc

PROJECT = Path(__file__).resolve().parent.parent
settings.register_profile("any machine", deadline=None)  # how long an example takes tells of the machine's load alone
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def segkit_data() -> Path:
    """The folder of real scans; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("SEGKIT_DATA", PROJECT.parent / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data: SEGKIT_DATA does not name a folder ({folder})")
    return folder


@pytest.fixture(scope="session")
def dicom_archive(segkit_data, tmp_path_factory) -> Path:
    """The folder of real DICOM files, with `dicom/` and `dicomseg/`, unpacked once for all workers."""
    folder = tmp_path_factory.getbasetemp().parent / "dicom_archive"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            unfinished = folder.with_suffix(".unfinished")
            with tarfile.open(segkit_data / "dicom.tar.xz") as archive:
                archive.extractall(unfinished, filter="data")
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def orthanc_server(tmp_path_factory) -> Iterator["Orthanc"]:
    """A PACS of this worker's own; tests that need it are skipped where Orthanc is not installed."""
    from tests.orthanc import running

    with running(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def orthanc(orthanc_server) -> Iterator["Orthanc"]:
    """The PACS, empty."""
    yield orthanc_server
    orthanc_server.clear()


@pytest.fixture
def mount_disk(tmp_path) -> Iterator[Callable[[str], Path]]:
    """Mount a disk of a size such as `64k`, where this machine lets us."""
    folder = tmp_path / "disk"

    def mount(size: str) -> Path:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small disk needs root")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["mount", "-o", "remount,rw", folder], capture_output=True, check=False)
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def untrained_run(tmp_path) -> Callable[..., Path]:
    """Make a run folder with a model of random weights, in 3D or 2D, alone or after `previous` ones, in a moment."""

    def make(
        name: str = "run",
        network: str = "segkit.networks.UNet",
        *,
        dims: int = 3,
        seed: int = 0,
        previous: Sequence[Path] = (),
        **changes: Any,
    ) -> Path:
        from segkit.config.plan import Normalisation, Plan
        from segkit.networks.building import initial_network, network_arguments
        from segkit.runs.model_file import ModelRecord, write_model

        levels = 3 if network.endswith("DynUNet") else 2  # the fewest that each takes
        strides = ((1,) * dims, *[(2,) * dims] * (levels - 1))
        plan = Plan(
            dims, "RAS", (1.0, 1.0, 1.0), (16, 16, 16) if dims == 3 else (16, 16, 1), 1, strides,
            ((3,) * dims,) * levels, changes.pop("normalisation", {"CT": Normalisation("zscore")}), order=1,
            neighbours=changes.pop("neighbours", 0), previous=2 if previous else 0,
        )  # fmt: skip
        labels = {"background": 0, "left": 3, "right": 7}
        options = {"_target_": network, "features": [4, 8, 8], **changes.pop("options", {})}
        arguments = network_arguments(options, plan, out_channels=changes.pop("outputs", 3))
        record = {
            "name": "kidneys", "labels": labels, "mirrored": [["left", "right"]], "flips": [0, 1], "plan": plan,
            "network": arguments, "segkit": "0.1.0", **changes,
        }  # fmt: skip
        folder = tmp_path / name
        weights = initial_network(arguments, seed).state_dict()
        write_model(folder / "model", ModelRecord(**record), weights, [run / "model" for run in previous])
        return folder

    return make


@pytest.fixture
def scored_run(tmp_path) -> Callable[..., Path]:
    """Make the folder of a run that was predicted and evaluated, with its data, in a moment."""
    from functools import partial

    from tests.reports.made_runs import make_run

    return partial(make_run, tmp_path)
