import json

import numpy as np
import onnx
import pytest
import torch

import segkit
from segkit.commands.package import package
from segkit.config.compose import configure
from segkit.config.plan import Normalisation
from segkit.foundation.errors import DataError, MissingExtraError, UsageError
from segkit.inference.packages import onnx_file
from segkit.inference.packages.onnx_file import largest_difference

NETWORKS = {
    "unet": ("segkit.networks.UNet", {}),
    "residual_unet": ("segkit.networks.UNet", {"block": "residual", "deep_supervision": True}),
    "dynunet": ("segkit.networks.DynUNet", {"deep_supervision": True}),
}


def packed(run, output):
    return package(configure("package", [f"run={run}", f"output={output}"]))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("target", "options"), NETWORKS.values(), ids=NETWORKS)
def test_the_reference_evaluator_of_onnx_agrees_with_pytorch(tmp_path, untrained_run, target, options, dims, capsys):
    run = untrained_run(network=target, dims=dims, options=options)
    output = packed(run, tmp_path / "net.onnx")
    assert "differ by at most" in capsys.readouterr().out
    graph = onnx.load(output)
    onnx.checker.check_model(graph, full_check=True)
    image = np.random.default_rng(5).normal(size=(1, 1, *(16,) * dims)).astype(np.float32)
    (theirs,) = onnx.reference.ReferenceEvaluator(graph).run(None, {"image": image})  # NumPy, not onnxruntime
    network = segkit.load(run, device="cpu").networks[0]
    with torch.inference_mode():
        ours = network(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(theirs, ours, atol=1e-3)
    shapes = [
        [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.input, *graph.graph.output)
    ]
    assert shapes == [["batch", 1, *(16,) * dims], ["batch", 3, *(16,) * dims]]


def test_a_network_that_sees_neighbouring_slices_takes_them_as_channels(tmp_path, untrained_run):
    graph = onnx.load(packed(untrained_run(dims=2, neighbours=2), tmp_path / "net.onnx"))
    assert [axis.dim_value for axis in graph.graph.input[0].type.tensor_type.shape.dim][1:] == [5, 16, 16]
    known = {entry.key: json.loads(entry.value) for entry in graph.metadata_props}
    assert known["slices_of_each_channel"] == 5


def test_the_metadata_say_how_scans_are_prepared(tmp_path, untrained_run):
    channels = {"CT": Normalisation("clip_zscore", -100.0, 300.0, 90.0, 40.0), "PET": Normalisation("zscore")}
    output = packed(untrained_run(normalisation=channels), tmp_path / "net.onnx")
    known = {entry.key: json.loads(entry.value) for entry in onnx.load(output).metadata_props}
    assert known["labels"] == {"background": 0, "left": 3, "right": 7}
    assert known["outputs"] == ["background", "left", "right"]
    assert known["mask_values"] == [0, 3, 7]
    assert known["spacing_mm"] == [1.0, 1.0, 1.0]
    assert known["orientation"] == "RAS"
    assert known["normalisation"]["CT"] == {
        "scheme": "clip_zscore", "low": -100.0, "high": 300.0, "mean": 90.0, "std": 40.0, "width": 1,
        "landmarks": None,
    }  # fmt: skip
    assert list(known["normalisation"]) == ["CT", "PET"]
    assert len(known["weights_sha256"]) == 64


def test_nothing_names_a_folder_of_this_machine(tmp_path, untrained_run):
    content = packed(untrained_run(), tmp_path / "net.onnx").read_bytes()
    assert str(tmp_path).encode() not in content
    assert b".py" not in content


def test_a_graph_that_computes_something_else_is_not_written(tmp_path, untrained_run, monkeypatch):
    run, exported = untrained_run(), onnx_file.exported

    def shifted(network, record):
        graph = exported(network, record)
        head = next(weight for weight in graph.graph.initializer if weight.name == "heads.0.weight")
        moved = onnx.numpy_helper.to_array(head) * np.float32(1.01)
        head.CopyFrom(onnx.numpy_helper.from_array(moved, head.name))
        return graph

    monkeypatch.setattr(onnx_file, "exported", shifted)
    with pytest.raises(DataError, match=r"differ from PyTorch's by .*e-02, more than 0\.001"):
        packed(run, tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_the_difference_is_the_largest_of_a_logit(tmp_path, untrained_run):
    run = untrained_run()
    output, model = packed(run, tmp_path / "net.onnx"), segkit.load(run, device="cpu")
    network = model.networks[0]
    assert largest_difference(network, output, model.record) < 1e-4
    with torch.no_grad():
        network.heads[0].bias += torch.tensor([0.0, 0.5, -0.25])
    assert largest_difference(network, output, model.record) == pytest.approx(0.5, abs=1e-4)


def test_a_network_that_cannot_be_exported_is_one_line(tmp_path, untrained_run, monkeypatch):
    monkeypatch.setattr("segkit.networks.UNet.forward", lambda self, x: x * float(x.sum().item() > 0 and x.std()))
    with pytest.raises(DataError, match=r"segkit\.networks\.UNet cannot be exported as ONNX") as refused:
        packed(untrained_run(), tmp_path / "net.onnx")
    assert "\n" not in str(refused.value)


def test_an_ensemble_and_missing_packages_are_named(tmp_path, untrained_run, monkeypatch):
    one, two = untrained_run("one"), untrained_run("two", seed=1)
    with pytest.raises(UsageError, match="ONNX holds one network, and run names 2: pack each alone"):
        packed(f"[{one},{two}]", tmp_path / "net.onnx")
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(MissingExtraError, match=r"writing net\.onnx needs onnxscript, .* pip install 'segkit\[onnx\]'"):
        packed(one, tmp_path / "net.onnx")
