"""What a stranger's study, cascade or run may not do: lead out of its folder, or name what is no network."""

import sys

import pytest

from segkit.cli import main
from segkit.foundation.errors import DataError, SegkitError, UsageError
from segkit.foundation.files import read_yaml, write_json, write_yaml
from segkit.foundation.strangers import load_tensors
from segkit.inference.model import load
from segkit.runs.model_file import RECORD, WEIGHTS
from segkit.runs.package import write_package

TARGETS = {
    "hostile.Net": UsageError, "logging.os.system": UsageError, "functools.partial": UsageError,
    "builtins.getattr": UsageError, "monai.utils.run_cmd": DataError, "torch.hub.load": DataError,
    "monai.bundle.run": DataError, "segkit.cli.main": DataError, "${oc.env:HOME}": DataError,
    "segkit.preparation.classic.BiasField": DataError,
    "monai.losses.perceptual.MedicalNetPerceptualSimilarity": DataError,
}  # fmt: skip


@pytest.fixture
def harm(tmp_path, monkeypatch):
    """A file that appears once the package `hostile` is imported."""
    package = tmp_path / "packages" / "hostile"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        f"open({str(tmp_path / 'harm')!r}, 'w')\nimport torch\nNet = torch.nn.Identity\n"
    )
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr("os.system", lambda command: pytest.fail(f"ran {command}"))
    yield tmp_path / "harm"
    sys.modules.pop("hostile", None)


@pytest.fixture
def cascade(untrained_run):
    """A model that is shown the mask of an earlier one, which lies in its folder."""
    return untrained_run(previous=[untrained_run("earlier")])


def with_network(folder, **changes):
    record = read_yaml(folder / RECORD)
    record["network"] |= changes
    write_yaml(folder / RECORD, record)


def test_an_honest_cascade_is_loaded(cascade):
    assert load(cascade, device="cpu").previous


@pytest.mark.parametrize("is_packaged", [False, True])
@pytest.mark.parametrize(("target", "error"), TARGETS.items(), ids=TARGETS)
def test_the_earlier_stage_of_a_cascade_is_held_to_the_same(cascade, tmp_path, harm, target, error, is_packaged):
    with_network(cascade / "model" / "previous_1", _target_=target)
    place = cascade
    if is_packaged:
        place = tmp_path / "a.segkit"
        write_package(place, [cascade / "model"], "# A model\n")
    with pytest.raises(error, match=r"previous_1/model\.yaml: network: ") as refused:
        load(place, device="cpu")
    assert "\n" not in str(refused.value)
    assert not harm.exists()


def test_the_earlier_stage_has_the_weights_that_it_was_recorded_with(cascade):
    other = load_tensors(cascade / "model" / WEIGHTS)
    assert other
    (cascade / "model" / "previous_1" / WEIGHTS).write_bytes((cascade / "model" / WEIGHTS).read_bytes())
    with pytest.raises(DataError, match="its sha256 differs"):
        load(cascade, device="cpu")


@pytest.mark.parametrize(
    "options",
    [
        {"features": [{"_target_": "os.system", "command": "id"}]},
        {"features": [[[{"_target_": "functools.partial"}]]]},
        {"_args_": ["x"]},
        {"_partial_": True},
        {"features": "${oc.env:HOME}"},
        {"features": ["${features}"]},
        {"norm": "!!python/name:os.system"},
    ],
)
def test_options_of_a_network_are_plain_values(untrained_run, harm, options):
    run = untrained_run()
    with_network(run / "model", **options)
    with pytest.raises(SegkitError, match=r"model\.yaml: network"):
        load(run, device="cpu")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"_target_": "segkit.preparation.classic.Morphology", "operation": "os.system"}, "operation=os.system"),
        ({"_target_": "segkit.preparation.classic.HistogramMatching", "reference_file": "/a"}, "reference_file='/a'"),
        ({"_target_": "segkit.preparation.classic.channels.imported", "module": "hostile"}, "is not a class"),
        ({"_target_": "monai.transforms.Lambda", "func": "os.system"}, "monai.transforms.Lambda"),
        ({"_target_": "monai.transforms.SaveImage", "output_dir": "/tmp"}, "monai.transforms.SaveImage"),
        ({"_target_": "monai.transforms.Compose", "transforms": [{"_target_": "os.system"}]}, "plain named arguments"),
        ({"_target_": "hostile.Net"}, "comes from the package hostile"),
    ],
)
def test_transforms_of_a_model_do_nothing_else(tmp_path, untrained_run, harm, capsys, options, says):
    import nibabel as nib
    import numpy as np

    run = untrained_run()
    record = read_yaml(run / "model" / RECORD)
    record["plan"]["transforms"] = [options]
    write_yaml(run / "model" / RECORD, record)
    nib.save(nib.Nifti1Image(np.ones((16, 16, 16), np.float32), np.eye(4)), tmp_path / "scan.nii.gz")
    code = main(
        ["predict", f"run={run}", f"input={tmp_path / 'scan.nii.gz'}", f"output={tmp_path / 'masks'}", "device=cpu"]
    )
    assert code in (1, 2)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert any(says in line for line in said), said
    assert not harm.exists()


@pytest.mark.parametrize("member", ["..", "../other", "/etc", "a/b", "", ".", "a\0b", 7, None])
@pytest.mark.parametrize("study", [".", "..", "../..", "../../..", "/etc"])
def test_an_ensemble_lies_in_its_study(tmp_path, untrained_run, member, study):
    untrained_run("other")
    write_json(tmp_path / "study" / "ensemble.json", {"study": study, "members": [member], "postprocessing": {}})
    with pytest.raises(DataError, match=r"ensemble\.json"):
        load(tmp_path / "study", device="cpu")
