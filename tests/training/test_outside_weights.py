import os
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from segkit.foundation.errors import DataError
from segkit.networks.building import build_network
from segkit.networks.committee import Committee
from segkit.networks.unet import UNet
from segkit.training.outside_weights import bare, for_channels, start_from, take_weights, weights_at


class Small(nn.Module):
    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.head = nn.Linear(4, classes)


def small(seed: int, classes: int = 2) -> Small:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Small(classes)


class PlainConvUNet(nn.Module):
    """nnU-Net's plain U-Net, written anew after its description: the names and the order of things are nnU-Net's."""

    def __init__(self, dims: int, features: list[int], classes: int) -> None:
        super().__init__()
        conv, norm = (nn.Conv2d, nn.InstanceNorm2d) if dims == 2 else (nn.Conv3d, nn.InstanceNorm3d)
        transposed = nn.ConvTranspose2d if dims == 2 else nn.ConvTranspose3d

        def stage(source: int, target: int, stride: int) -> nn.Module:
            convs = nn.Module()
            convs.convs = nn.ModuleList()
            for step in (stride, 1):
                each = nn.Module()
                each.conv, each.norm = conv(source, target, 3, step, 1, bias=True), norm(target, affine=True)
                convs.convs.append(each)
                source = target
            return convs

        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.stages = nn.ModuleList(
            nn.Sequential(stage(([1, *features])[i], features[i], 1 if i == 0 else 2)) for i in range(len(features))
        )
        upwards = features[::-1]
        pairs = list(pairwise(upwards))
        self.decoder.transpconvs = nn.ModuleList(transposed(below, above, 2, 2) for below, above in pairs)
        self.decoder.stages = nn.ModuleList(stage(2 * above, above, 1) for _, above in pairs)
        self.decoder.seg_layers = nn.ModuleList(conv(above, classes, 1) for _, above in pairs)
        self.decoder.encoder = self.encoder  # as nnU-Net keeps it, so that each weight has two names

    @staticmethod
    def convolved(stage: nn.Module, x: torch.Tensor) -> torch.Tensor:
        for each in stage.convs:
            x = nn.functional.leaky_relu(each.norm(each.conv(x)), 0.01)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for stage in self.encoder.stages:
            x = self.convolved(stage[0], x)
            skips.append(x)
        for index, stage in enumerate(self.decoder.stages):
            x = self.convolved(stage, torch.cat((self.decoder.transpconvs[index](x), skips[-index - 2]), 1))
        return self.decoder.seg_layers[-1](x)


def nnunet_checkpoint(network: nn.Module, path: Path) -> Path:
    """Write what nnU-Net's trainer writes beside the weights: NumPy's scalars among plain values."""
    torch.save(
        {
            "network_weights": network.state_dict(),
            "optimizer_state": {"state": {}, "param_groups": [{"lr": np.float64(0.01)}]},
            "grad_scaler_state": None,
            "logging": {"mean_fg_dice": [np.float32(0.5), np.float64(0.6)], "ema": np.array([0.5, 0.6])},
            "_best_ema": np.float64(0.6),
            "current_epoch": 1000,
            "init_args": {"plans": {"patch": (16, 16)}, "device": torch.device("cpu"), "fold": 0},
            "inference_allowed_mirroring_axes": (0, 1),
        },
        path,
    )
    return path


@pytest.mark.parametrize("deep_supervision", [False, True])
@pytest.mark.parametrize("dims", [2, 3])
def test_nnunets_weights_compute_the_same_in_segkits_unet(tmp_path, dims, deep_supervision):
    theirs = PlainConvUNet(dims, [4, 6, 8], classes=3).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    (tmp_path / "fold_0").mkdir()
    nnunet_checkpoint(theirs, tmp_path / "fold_0" / "checkpoint_final.pth")
    strides = ((1,) * dims, (2,) * dims, (2,) * dims)
    ours = UNet(
        in_channels=1, out_channels=3, dims=dims, features=[4, 6, 8], strides=strides, deep_supervision=deep_supervision
    ).eval()
    taken = start_from(ours, tmp_path / "fold_0")
    assert not taken.mismatched
    assert not taken.missing
    assert not taken.unused
    image = torch.randn((2, 1, *(16,) * dims))
    with torch.inference_mode():
        torch.testing.assert_close(ours(image), theirs(image), rtol=1e-4, atol=1e-4)


def test_a_bomb_beside_nnunets_weights_is_not_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "fuse"),)

    torch.save({"network_weights": small(0).state_dict(), "logging": [np.float64(1), Bomb()]}, tmp_path / "a.pth")
    with pytest.raises(DataError, match=r"a\.pth is damaged or is no checkpoint .* nothing in it was run"):
        weights_at(tmp_path / "a.pth")
    assert not (tmp_path / "fuse").exists()


def test_numpys_own_functions_are_not_called(tmp_path, monkeypatch):
    path = nnunet_checkpoint(small(0), tmp_path / "a.pth")
    monkeypatch.setattr("numpy._core.multiarray.scalar", lambda *_: pytest.fail("NumPy was called"))
    assert set(weights_at(path)) == {"body.weight", "body.bias", "head.weight", "head.bias"}


@pytest.mark.parametrize("prefix", ["", "module.", "net.", "network.", "model.", "module._orig_mod.network."])
@pytest.mark.parametrize("holder", [None, "state_dict", "network_weights", "model_state_dict", "model"])
def test_prefixes_and_holders_are_looked_through(tmp_path, prefix, holder):
    theirs, ours = small(1), small(2)
    named = OrderedDict((prefix + name, tensor) for name, tensor in theirs.state_dict().items())
    torch.save(named if holder is None else {holder: named, "epoch": 3}, tmp_path / "a.pt")
    taken = start_from(ours, tmp_path / "a.pt")
    assert taken.matched == ("body.weight", "body.bias", "head.weight", "head.bias")
    assert not taken.unused
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_what_does_not_fit_stays_as_drawn_and_is_said(tmp_path, capsys):
    theirs, ours, before = small(1, classes=5), small(2), small(2)
    weights = {**theirs.state_dict(), "extra": torch.zeros(1)}
    del weights["body.bias"]
    save_file(weights, tmp_path / "a.safetensors")
    taken = start_from(ours, tmp_path / "a.safetensors")
    assert taken.matched == ("body.weight",)
    assert taken.mismatched == {"head.weight": "5x4 for 2x4", "head.bias": "5 for 2"}
    assert taken.missing == ("body.bias",)
    assert taken.unused == ("extra",)
    assert torch.equal(ours.body.weight, theirs.body.weight)
    assert torch.equal(ours.head.weight, before.head.weight)
    assert torch.equal(ours.body.bias, before.body.bias)
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"start from {tmp_path / 'a.safetensors'}: 1 of 4 weights taken",
        "2 of another shape, which stay as drawn: head.weight (5x4 for 2x4), head.bias (5 for 2)",
        "1 not in the file, which stay as drawn: body.bias",
        "1 in the file alone: extra",
    ]


def test_a_name_that_is_there_as_it_stands_wins():
    network = nn.ModuleDict({"net": nn.Linear(1, 1), "network": nn.Linear(1, 1)})
    weights = {"net.weight": torch.tensor([[3.0]]), "network.weight": torch.tensor([[4.0]])}
    take_weights(network, weights)
    assert (network["net"].weight.item(), network["network"].weight.item()) == (3, 4)
    assert bare("module.network.0.weight") == "0.weight"
    assert bare("networks.0.weight") == "networks.0.weight"


def test_runs_packages_and_bundles(tmp_path, untrained_run):
    import segkit
    from segkit.commands.package import package
    from segkit.config.compose import configure

    run = untrained_run("a", seed=3)
    made = [
        package(configure("package", [f"run={run}", f"output={tmp_path / name}"])) for name in ("a.segkit", "a.bundle")
    ]
    wanted = segkit.load(run, device="cpu").networks[0].state_dict()
    for place in (run, run / "model", run / "model" / "weights.safetensors", *made, made[1] / "models" / "model.pt"):
        found = weights_at(place)
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted), place
    listed = f"[{run},{untrained_run('b')}]"
    both = package(configure("package", [f"run={listed}", f"output={tmp_path / 'both.segkit'}"]))
    with pytest.raises(DataError, match=r"both\.segkit holds 2 models: a training starts from one"):
        weights_at(both)


def test_nothing_that_fits_is_an_error(tmp_path):
    save_file({"other.weight": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match=r"nothing in .*a\.safetensors fits the network; it holds e\.g\. other\.weight"):
        start_from(small(0), tmp_path / "a.safetensors")
    save_file({"head.bias": torch.zeros(9)}, tmp_path / "b.safetensors")
    with pytest.raises(DataError, match=r"it holds e\.g\. head\.bias, and the network body\.weight"):
        start_from(small(0), tmp_path / "b.safetensors")
    torch.save({"epoch": 3}, tmp_path / "c.pt")
    with pytest.raises(DataError, match=r"c\.pt holds no weights"):
        weights_at(tmp_path / "c.pt")
    with pytest.raises(DataError, match="holds no model"):
        weights_at(tmp_path)


def unet(in_channels: int, classes: int = 3, **options) -> UNet:
    with torch.random.fork_rng():
        torch.manual_seed(in_channels)
        return UNet(
            in_channels=in_channels,
            out_channels=classes,
            dims=3,
            strides=[[1] * 3, [2] * 3],
            features=[4, 8],
            **options,
        )


@pytest.mark.parametrize("block", ["plain", "residual"])
def test_a_first_layer_takes_other_channels_and_a_constant_gives_the_same(block):
    trained, network = unet(1, block=block), unet(3, block=block)
    taken = take_weights(network, trained.state_dict())
    assert taken.adapted
    assert not taken.mismatched
    image = torch.full((1, 1, 8, 8, 8), 0.7)
    same = network.eval()(image.expand(1, 3, 8, 8, 8))
    torch.testing.assert_close(same, trained.eval()(image), atol=1e-3, rtol=0)  # norms of a flat image amplify rounding


def test_a_kernel_of_other_channels_by_hand():
    theirs = torch.tensor([[[[1.0]], [[3.0]]]])  # one output, two images
    found = for_channels(theirs, torch.zeros(1, 4, 1, 1), theirs)
    assert found.flatten().tolist() == [1.0, 1.0, 1.0, 1.0]
    assert for_channels(theirs, torch.zeros(2, 4, 1, 1), theirs) is None
    assert for_channels(theirs, torch.zeros(1, 4, 1, 1), torch.zeros(1, 3, 1, 1)) is None


def test_only_the_heads_stay_as_drawn_where_labels_change():
    trained, network = unet(1, classes=2), unet(1, classes=5)
    taken = take_weights(network, trained.state_dict())
    assert set(taken.mismatched) == {"heads.0.weight", "heads.0.bias"}
    assert not taken.adapted


SMALL_UNET = {
    "_target_": "segkit.networks.UNet", "in_channels": 1, "out_channels": 2, "dims": 2, "features": [2, 4],
    "strides": [[1, 1], [2, 2]],
}  # fmt: skip


def test_one_networks_weights_start_each_member_of_a_committee_and_a_members_one_network():
    committee, one = Committee(members=2, network=SMALL_UNET), build_network(SMALL_UNET)
    taken = take_weights(committee, one.state_dict())
    assert len(taken.matched) == 2 * len(one.state_dict())
    for member in committee.members:
        assert all(torch.equal(member.state_dict()[name], tensor) for name, tensor in one.state_dict().items())
    trained, other = Committee(members=2, network=SMALL_UNET), build_network(SMALL_UNET)
    assert take_weights(other, trained.state_dict()).missing == ()
    theirs = trained.members[1].state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in other.state_dict().items())
