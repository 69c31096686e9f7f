import json
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import segkit
from segkit.commands.package import package
from segkit.config.compose import configure
from segkit.config.plan import Normalisation
from segkit.foundation.errors import SegkitError, UsageError
from segkit.inference.mirroring import mirrored_logits
from segkit.inference.model import standard_options

CT = Normalisation("clip_zscore", -1.0, 1.5, 0.1, 0.8)
CHANNELS = {
    "zscore": {"CT": Normalisation("zscore")},
    "clip_zscore": {"CT": CT},
    "zscore_nonzero": {"MR": Normalisation("zscore_nonzero")},
    "percentile": {"MR": Normalisation("percentile")},
    "unit and none": {"A": Normalisation("unit"), "B": Normalisation("none")},
    "several": {"CT": CT, "PET": Normalisation("zscore")},
}


def packed(run, output):
    return package(configure("package", [f"run={run}", f"output={output}"]))


def scan(folder, names, shape=(26, 17, 16), affine=None, smooth=0.5, seed=3):
    """Write the files of one case, smooth noise beside a rim of zeros, and return them by channel."""
    folder.mkdir(exist_ok=True)
    files = {}
    for number, name in enumerate(names):
        noise = np.random.default_rng(seed + number).normal(size=shape).astype(np.float32)
        voxels = gaussian_filter(noise, smooth) * 3
        voxels[:2] = 0
        ending = f"_{name}" if len(names) > 1 else ""
        files[name] = folder / f"case{ending}.nii.gz"
        nib.save(nib.Nifti1Image(voxels, np.eye(4) if affine is None else affine), files[name])
    return files


def run_bundle(bundle, scans, output):
    import monai.bundle

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monai.bundle.run(
            config_file=str(bundle / "configs" / "inference.json"),
            meta_file=str(bundle / "configs" / "metadata.json"),
            bundle_root=str(bundle),
            dataset_dir=str(scans),
            output_dir=str(output),
        )
    (mask,) = sorted(output.glob("*.nii.gz"))
    return nib.load(mask)


def segmented(run, files):
    """Return segkit's own mask, in float32 as the bundle computes."""
    options = replace(standard_options(), precision="32")
    return segkit.load(run, device="cpu", options=options).segment(files).array


@pytest.mark.parametrize("channels", CHANNELS.values(), ids=CHANNELS)
def test_masks_are_those_of_segkit_on_the_prepared_grid(tmp_path, untrained_run, channels):
    run = untrained_run(normalisation=channels)
    files = scan(tmp_path / "scans", list(channels))
    theirs = run_bundle(packed(run, tmp_path / "a.bundle"), tmp_path / "scans", tmp_path / "masks")
    ours = segmented(run, files)
    assert len(np.unique(ours)) > 1
    assert np.array_equal(np.asanyarray(theirs.dataobj), ours)
    assert theirs.get_data_dtype() == np.uint8


def test_a_2d_network_and_regions(tmp_path, untrained_run):
    labels = {"background": 0, "whole": [300, 7], "core": [7]}
    run = untrained_run(dims=2, labels=labels, region_order=[300, 7], mirrored=[], outputs=2)
    files = scan(tmp_path / "scans", ["CT"], shape=(16, 24, 5))
    theirs = run_bundle(packed(run, tmp_path / "a.bundle"), tmp_path / "scans", tmp_path / "masks")
    ours = segmented(run, files)
    assert len(np.unique(ours)) > 1
    assert np.array_equal(np.asanyarray(theirs.dataobj), ours)


def test_a_scan_on_another_grid_comes_back_on_its_own_and_close(tmp_path, untrained_run):
    affine = np.array([[0, -1.3, 0, 5], [1.1, 0, 0, -7], [0, 0, 1.4, 2], [0, 0, 0, 1.0]])
    run = untrained_run()
    files = scan(tmp_path / "scans", ["CT"], affine=affine, smooth=3)
    theirs = run_bundle(packed(run, tmp_path / "a.bundle"), tmp_path / "scans", tmp_path / "masks")
    ours = segmented(run, files)
    assert theirs.shape == ours.shape
    np.testing.assert_allclose(theirs.affine, affine, atol=1e-5)
    assert (np.asanyarray(theirs.dataobj) == ours).mean() > 0.9


def test_it_runs_where_segkit_is_not_installed(tmp_path, untrained_run):
    bundle, _ = packed(untrained_run(), tmp_path / "a.bundle"), scan(tmp_path / "scans", ["CT"])
    code = (
        "import sys; sys.modules['segkit'] = None; import monai.bundle; "
        "monai.bundle.run(config_file='configs/inference.json', dataset_dir='../scans', output_dir='../masks')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=bundle, check=True, capture_output=True)
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["case_mask.nii.gz"]


@pytest.mark.parametrize("dims", [2, 3])
def test_the_script_averages_over_flips_as_prediction_does(tmp_path, untrained_run, dims):
    run = untrained_run(dims=dims)
    script = torch.jit.load(packed(run, tmp_path / "a.bundle") / "models" / "model.ts")
    model = segkit.load(run, device="cpu")
    patches = torch.randn((3, 1, *model.record.plan.patch), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = mirrored_logits(
            model.networks[0], patches, model.record.plan, [(), (0,), (1,), (0, 1)], swapped=[0, 2, 1]
        )
        torch.testing.assert_close(script(patches), wanted)


def test_the_files_of_a_bundle(tmp_path, untrained_run):
    run = untrained_run()
    bundle = packed(run, tmp_path / "a.bundle")
    assert sorted(path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()) == [
        "configs/inference.json", "configs/metadata.json", "docs/README.md", "models/model.pt", "models/model.ts",
    ]  # fmt: skip
    weights = torch.load(bundle / "models" / "model.pt", weights_only=True)
    own = segkit.load(run, device="cpu").networks[0].state_dict()
    assert weights.keys() == own.keys()
    assert all(torch.equal(weights[name], own[name]) for name in own)
    known = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert known["network_data_format"]["outputs"]["pred"]["channel_def"] == {
        "0": "background",
        "1": "left",
        "2": "right",
    }
    assert known["network_data_format"]["inputs"]["image"]["spatial_shape"] == [16, 16, 16]
    assert "python -m monai.bundle run" in (bundle / "docs" / "README.md").read_text()


def test_the_script_names_no_file_of_this_machine(tmp_path, untrained_run):
    script = packed(untrained_run(), tmp_path / "a.bundle") / "models" / "model.ts"
    with zipfile.ZipFile(script) as archive:
        for name in archive.namelist():
            assert b"site-packages" not in archive.read(name), name
            assert b"/segkit/" not in archive.read(name), name


def test_what_a_bundle_cannot_hold_is_named(tmp_path, untrained_run):
    one, two = untrained_run("one"), untrained_run("two", seed=1)
    with pytest.raises(UsageError, match="a MONAI bundle holds one network, and run names 2"):
        packed(f"[{one},{two}]", tmp_path / "a.bundle")
    colour = untrained_run("colour", dims=2, normalisation={"photo": Normalisation("unit", width=3)})
    with pytest.raises(UsageError, match="cannot be written for colour pictures"):
        packed(colour, tmp_path / "a.bundle")
    with pytest.raises(UsageError, match=r"MONAI's windows are of one slice"):
        packed(untrained_run("stack", dims=2, neighbours=1), tmp_path / "a.bundle")
    (tmp_path / "a.bundle").mkdir()
    (tmp_path / "a.bundle" / "mine.txt").touch()
    with pytest.raises(SegkitError, match="exists and is not an empty folder"):
        packed(one, tmp_path / "a.bundle")
    assert [path.name for path in (tmp_path / "a.bundle").iterdir()] == ["mine.txt"]
