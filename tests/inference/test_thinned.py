import nibabel as nib
import numpy as np
import pytest
import torch
from streams import EXACT, PLAN, random_image, stream_of, whole_logits
from torch import nn

import segkit
from segkit.commands.predict import predict
from segkit.config.compose import configure
from segkit.foundation.errors import UsageError
from segkit.inference.model import load
from segkit.inference.thinned import ThinnedNetwork, dropout_of, thinned
from segkit.networks import UNet


def dropping(seed=0):
    torch.manual_seed(seed)
    options = {"features": [4, 8], "strides": [(1,) * 3, (2,) * 3], "dropout": 0.3}
    return UNet(in_channels=1, out_channels=3, dims=3, **options).eval()


def test_a_pass_is_the_network_with_what_its_seed_drops():
    network = nn.Sequential(nn.Dropout3d(0.5)).eval()
    ones = torch.ones((2, 40, 1, 1, 1))
    torch.manual_seed(7)
    expected = nn.functional.dropout3d(ones[:1], 0.5)
    before = torch.get_rng_state()
    found = ThinnedNetwork(network, 7)(ones)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found[:1], expected)
    assert torch.equal(found[1:], expected)  # the same is dropped for every window
    assert not torch.equal(ThinnedNetwork(network, 8)(ones), found)
    assert torch.equal(network(ones), ones)  # without passes nothing is dropped


def test_windows_at_once_change_nothing():
    image = random_image((12, 16, 10))
    stream = stream_of(ThinnedNetwork(dropping(), 3), image, PLAN, EXACT)
    one, four = (whole_logits(stream, windows=windows) for windows in (1, 4))
    assert np.array_equal(one, four)


def test_passes_are_members_that_repeat(untrained_run):
    model = load(untrained_run(options={"dropout": 0.2}), device="cpu")
    many = thinned(model, 3)
    assert [len(dropout_of(network)) > 0 for network in many.networks] == [True] * 3
    assert many.plans == [[0, 1, 2]]
    patch = torch.randn((1, 1, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first = [network(patch) for network in many.networks]
        again = [network(patch) for network in thinned(model, 3).networks]
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], first[1])
    assert thinned(model, 0) is model


def test_passes_make_masks_that_repeat_and_maps_of_their_disagreement(untrained_run, tmp_path):
    run = untrained_run(options={"dropout": 0.4})
    (tmp_path / "scans").mkdir()
    nib.save(
        nib.Nifti1Image(random_image((18, 16, 20))[0].astype(np.float32), np.eye(4)), tmp_path / "scans" / "a.nii.gz"
    )
    words = [f"run={run}", f"input={tmp_path / 'scans'}", "device=cpu", "scores.maps=[disagreement]", "scores.passes=3"]
    masks, maps = [], []
    for name in ("one", "other"):
        predict(configure("predict", [*words, f"output={tmp_path / name}"]))
        masks.append(np.asarray(nib.load(tmp_path / name / "a.nii.gz").dataobj))
        maps.append(nib.load(tmp_path / name / "disagreement" / "a.nii.gz").get_fdata())
    assert np.array_equal(masks[0], masks[1])
    assert np.array_equal(maps[0], maps[1])
    assert maps[0].max() > 0.001
    plain = segkit.load(run, device="cpu").segment(tmp_path / "scans" / "a.nii.gz")
    assert not np.array_equal(plain.array, masks[0])


def test_a_network_that_drops_nothing_is_refused(untrained_run):
    with pytest.raises(UsageError, match=r"scores\.passes=4: the network of kidneys has no dropout"):
        thinned(load(untrained_run(), device="cpu"), 4)
