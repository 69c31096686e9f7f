"""What every shipped loss keeps, each built from its yaml as training builds it."""

from pathlib import Path

import pytest
import torch

from segkit.config.compose import configure
from segkit.config.labels import IGNORED
from segkit.config.targets import check_signatures
from segkit.foundation.building import arguments_of, build
from segkit.foundation.errors import UsageError
from segkit.foundation.strangers import resolve_target
from segkit.training.losses import FocalTversky, TopKCrossEntropy, UnifiedFocal, supervised

NAMES = sorted(path.stem for path in Path(__file__).parents[3].joinpath("conf/loss").glob("*.yaml"))
SIZES = [(6, 7), (4, 5, 6)]


@pytest.fixture(scope="module", params=NAMES)
def loss(request):
    config = configure("train", ["data=paired", "data.root=.", "training.steps=1", f"loss={request.param}"])
    check_signatures(config)
    resolve_target(config.loss["_target_"], roles=(torch.nn.Module,), slot="loss", arguments=arguments_of(config.loss))
    return build(config.loss)


@pytest.fixture(params=[(kind, size) for kind in ("classes", "regions") for size in SIZES], ids=str)
def case(request, batch, regions):
    """Logits and target, in 2D and in 3D, of three classes or two regions."""
    kind, size = request.param
    logits, classes = batch(len(size), (2, 3, *size))
    return (logits[:, :2], regions(classes)) if kind == "regions" else (logits, classes)


def certain(logits, target, size=30.0):
    """Return logits that are sure of a target."""
    is_so = target == 1
    if target.dim() < logits.dim():
        is_so = torch.stack([target == each for each in range(logits.shape[1])], dim=1)
    return torch.where(is_so, size, -size)


def gradient(loss, logits, target):
    logits = logits.clone().requires_grad_(True)
    value = loss(logits, target)
    value.backward()
    return value.detach(), logits.grad


def test_ignored_voxels_never_change_it(loss, case):
    logits, target = case
    target = target.clone()
    target[..., 3:5] = IGNORED
    value, slope = gradient(loss, logits, target)
    assert not slope[..., 3:5].any()
    assert slope[..., :3].any()
    for strange in (0.0, 1e4, -1e30):
        other = logits.clone()
        other[:, 0, ..., 3:5] = strange
        assert loss(other, target).item() == pytest.approx(value.item(), abs=1e-6)


def test_a_batch_of_ignored_voxels_teaches_nothing(loss, case):
    logits, target = case
    value, slope = gradient(loss, logits, torch.full_like(target, IGNORED))
    assert value == 0
    assert not slope.any()


def test_it_is_finite_for_absent_classes(loss, case):
    logits, target = case
    for same in (0, 1):
        value, slope = gradient(loss, logits, torch.full_like(target, same))
        assert value.isfinite()
        assert slope.isfinite().all()


@pytest.mark.parametrize("size", [30.0, 1e4, 1e30])
def test_it_is_finite_for_extreme_logits(loss, case, size):
    logits, target = case
    right = certain(logits, target, size)
    for extreme in (right, -right, torch.full_like(right, size), torch.full_like(right, -size)):
        value, slope = gradient(loss, extreme, target)
        assert value.isfinite()
        assert slope.isfinite().all()


def test_it_is_least_for_the_reference_itself(loss, case):
    logits, target = case
    right = certain(logits, target)
    least = loss(right, target)
    if "boundary" not in type(loss).__module__:  # whose distances go below zero
        assert least.item() == pytest.approx(0, abs=1e-5)
    for other in (logits, -right, torch.zeros_like(right), 0.9 * right + logits, right + 20 * logits):
        assert least <= loss(other, target) + 1e-6


def test_it_tells_no_foreground_classes_apart(loss, batch):
    logits, classes = batch(5, (2, 4, 6, 7))
    order = torch.tensor([0, 3, 1, 2])  # the new class of each old one; the background stays
    moved = torch.empty_like(logits)
    moved[:, order] = logits
    assert loss(moved, order[classes]).item() == pytest.approx(loss(logits, classes).item(), abs=1e-6)


def test_it_tells_no_samples_apart(loss, case):
    logits, target = case
    assert loss(logits.flip(0), target.flip(0)).item() == pytest.approx(loss(logits, target).item(), abs=1e-5)


def test_gradients_are_those_of_the_formula(loss, batch, regions):
    logits, classes = batch(6, (1, 3, 4, 3))
    classes[0, 0] = torch.tensor([0, 1, IGNORED])
    assert torch.autograd.gradcheck(lambda x: loss(x, classes), logits.double().requires_grad_(True))
    target = regions(classes)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits[:, :2].double().requires_grad_(True))


def test_it_computes_in_float32_under_autocast(loss, case):
    logits, target = case
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(logits.bfloat16(), target)
    assert value.dtype == torch.float32
    assert value.dim() == 0
    assert value.item() == pytest.approx(loss(logits.bfloat16().float(), target).item())


def test_it_supervises_deeply(loss, case):
    logits, target = case
    coarse = torch.nn.functional.avg_pool2d(logits, 2) if logits.dim() == 4 else logits[..., ::2, ::2, ::2]
    outputs = [logits.clone().requires_grad_(True), coarse.clone().requires_grad_(True)]
    supervised(loss, outputs, target).backward()
    assert all(output.grad.isfinite().all() and output.grad.any() for output in outputs)


def test_a_tiny_network_learns_by_it(loss):
    torch.manual_seed(0)
    images = torch.randn(2, 1, 12, 12)
    images = torch.nn.functional.avg_pool2d(images, 3, stride=1, padding=1)
    classes = (images[:, 0] > 0.1).long() + (images[:, 0] > 0.4)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 3, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(network(images), classes)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0] - 0.2 * abs(values[0])


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: TopKCrossEntropy(0.0), "share"),
        (lambda: TopKCrossEntropy(1.5), "share"),
        (lambda: FocalTversky(gamma=0), "gamma"),
    ],
)
def test_a_number_outside_its_range_is_refused(make, key):
    with pytest.raises(UsageError, match=rf"loss\.{key}: "):
        make()


def test_unified_focal_without_focus_is_its_parts(batch):
    logits, classes = batch(7, (2, 3, 5, 5))
    plain = UnifiedFocal(focal_weight=1, delta=0.5, gamma=0)(logits, classes)
    assert plain.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, classes).item() / 2, abs=1e-5)
