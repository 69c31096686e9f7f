import copy
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.compose import configure
from segkit.config.targets import check_signatures
from segkit.foundation.errors import UsageError
from segkit.foundation.strangers import resolve_target
from segkit.networks import UNet
from segkit.training.building import build_optimizer
from segkit.training.losses import DiceCrossEntropy
from segkit.training.module import Segmentation
from segkit.training.optimizers import Muon, orthogonal, split
from segkit.training.patches import Patches
from segkit.training.schedules import Polynomial


def network(**options):
    torch.manual_seed(0)
    sizes = {"dims": 2, "features": [4, 8], "strides": [[1, 1], [2, 2]]}
    return UNet(in_channels=1, out_channels=2, **{**sizes, **options})


def stepped(model, optimizer, seeds):
    for seed in seeds:
        images = torch.randn((2, 1, 8, 8), generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        DiceCrossEntropy()(model(images), (images[:, 0] > 0).long()).backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


@given(st.integers(0, 1000), st.sampled_from([(8, 27), (27, 8), (16, 16)]))
def test_an_update_is_nearly_the_polar_factor(seed, shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    found = orthogonal(matrix)
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ found @ v.T
    # The singular vectors stay, to the rounding of Gram matrices in float32.
    assert torch.allclose(inner, torch.diag(inner.diagonal()), atol=3e-4)
    # Jordan's polynomial ends between 0.68 and 1.21 for whatever singular values did not begin near 0.
    begun = values > 0.05 * values[0]
    assert ((inner.diagonal()[begun] > 0.68) & (inner.diagonal()[begun] < 1.21)).all()
    assert torch.nn.functional.cosine_similarity(found.flatten(), (u @ v).flatten(), dim=0) > 0.93


def test_zeros_stay_zeros():
    assert not orthogonal(torch.zeros(3, 4)).any()


def test_kernels_step_as_pytorchs_muon():
    # PyTorch's takes matrices only, and iterates in bfloat16: eight bits.
    kernels = [torch.randn(6, 4, 3, 3), torch.randn(9, 2, 3, 3, 3)]
    ours = [kernel.clone().requires_grad_(True) for kernel in kernels]
    edges = [torch.randn(4, 1, 3, 3, requires_grad=True), torch.randn(2, 4, 1, 1, requires_grad=True)]
    theirs = [kernel.flatten(1).clone().requires_grad_(True) for kernel in kernels]
    muon = Muon([edges[0], *ours, edges[1]], lr=0.1, weight_decay=0.2)
    expected = torch.optim.Muon(theirs, lr=0.1, weight_decay=0.2, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.flatten(1).clone()
        muon.step()
        expected.step()
    for mine, other, before in zip(ours, theirs, kernels, strict=True):
        moved = (other - before.flatten(1)).norm()
        assert (mine.flatten(1) - other).norm() < 0.02 * moved


def test_the_rest_steps_as_adamw_bit_for_bit():
    model = network()
    twin = copy.deepcopy(model)
    muon = Muon(model.parameters(), lr=0.01, weight_decay=0.1)
    _, others = split(list(twin.parameters()))
    adamw = torch.optim.AdamW(others, lr=0.01, weight_decay=0.1)
    for _ in range(4):
        for mine, other in zip(model.parameters(), twin.parameters(), strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        muon.step()
        adamw.step()
    hidden, mine = split(list(model.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(mine, others, strict=True))
    assert hidden


def test_first_and_last_layers_are_adamws():
    model = network(features=[4, 8, 8], strides=[[1, 1], [2, 2], [2, 2]], deep_supervision=True)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    hidden, others = ([names[id(parameter)] for parameter in part] for part in split(list(model.parameters())))
    matrices = [name for name in others if model.get_parameter(name).dim() >= 2]
    assert matrices[0].startswith("encoder.0")
    assert [name.split(".")[0] for name in matrices[1:]] == ["heads", "heads"]
    assert all(model.get_parameter(name).dim() == 4 for name in hidden)
    assert sorted([*hidden, *others]) == sorted(names.values())


def test_each_network_of_a_committee_is_split_alike():
    alone = UNet(in_channels=1, out_channels=2, dims=3, features=(4, 8), strides=[(1,) * 3, (2,) * 3])
    parameters = list(alone.parameters())
    hidden, others = split([*parameters, *copy.deepcopy(parameters)])
    assert [each.shape for each in hidden] == 2 * [each.shape for each in split(parameters)[0]]
    assert len(hidden) + len(others) == 2 * len(parameters)


@pytest.mark.parametrize("parameters", [[torch.zeros(3)], [torch.zeros(3, 2)], [torch.zeros(3, 2), torch.zeros(2, 3)]])
def test_a_network_without_hidden_layers_is_all_adamws(parameters):
    optimizer = Muon([parameter.requires_grad_(True) for parameter in parameters])
    assert [group["orthogonal"] for group in optimizer.param_groups] == [False]


def test_resuming_from_a_file_goes_on_bit_for_bit(tmp_path):
    model = network()
    optimizer = Muon(model.parameters(), lr=0.01)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    stepped(model, optimizer, range(3))
    torch.save({"weights": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "last.ckpt")
    expected = stepped(model, optimizer, range(3, 6))

    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    again = network()
    again.load_state_dict(stored["weights"])
    resumed = Muon(again.parameters(), lr=1.0)
    resumed.load_state_dict(stored["optimizer"])
    assert [group["initial_lr"] for group in resumed.param_groups] == [0.01, 0.01]
    assert all(torch.equal(a, b) for a, b in zip(stepped(again, resumed, range(3, 6)), expected, strict=True))


def test_it_steps_kernels_in_channels_last_alike():
    plain, last = network(), network().to(memory_format=torch.channels_last)
    expected = stepped(plain, Muon(plain.parameters(), lr=0.01), range(2))
    found = stepped(last, Muon(last.parameters(), lr=0.01), range(2))
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(found, expected, strict=True))


def test_parameters_without_gradients_and_closures():
    model = network()
    optimizer = Muon(model.parameters())
    before = [parameter.detach().clone() for parameter in model.parameters()]
    assert optimizer.step(lambda: 3.0) == 3.0
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("options", [{"lr": -1.0}, {"weight_decay": -1.0}, {"momentum": 1.0}, {"betas": (0.9, 1.0)}])
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(UsageError, match=r"optimizer\."):
        Muon([torch.zeros(2, requires_grad=True)], **options)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize(
    "name", [path.stem for path in Path(__file__).parents[2].joinpath("conf/optimizer").glob("*.yaml")]
)
def test_every_yaml_trains_under_lightning(name, precision, balls, tmp_path):
    config = configure("train", ["data=paired", "data.root=.", "training.steps=1", f"optimizer={name}"])
    check_signatures(config)
    _, plan, prepared = balls
    model = network(dims=3, strides=plan.strides)
    losses = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer, module, outputs, *_):
            losses.append(outputs["loss"].item())

    module = Segmentation(
        model, loss=DiceCrossEntropy(), optimizer=build_optimizer(config.optimizer), schedule=Polynomial()
    )
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=12, max_epochs=1, use_distributed_sampler=False, logger=False, precision=precision,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        gradient_clip_val=12, callbacks=[Watch()],
    )  # fmt: skip
    trainer.fit(module, Patches(prepared, [], plan, seed=0, foreground=1.0))
    assert sum(losses[-3:]) < sum(losses[:3])
    rate = config.optimizer["lr"] * Polynomial()(11 / 12)
    for group in trainer.optimizers[0].param_groups:
        assert group["lr"] == pytest.approx(rate)


def test_sgd_is_nnunets():
    config = configure("train", ["data=paired", "data.root=.", "training.steps=1", "optimizer=sgd"])
    chosen = {key: config.optimizer[key] for key in ("lr", "momentum", "nesterov", "weight_decay")}
    assert chosen == {"lr": 0.01, "momentum": 0.99, "nesterov": True, "weight_decay": 3e-5}


def test_a_shared_run_may_name_muon():
    options = {"lr": 0.003, "betas": [0.9, 0.999]}
    assert (
        resolve_target(
            "segkit.training.optimizers.Muon", roles=(torch.optim.Optimizer,), slot="optimizer", arguments=options
        )
        is Muon
    )
