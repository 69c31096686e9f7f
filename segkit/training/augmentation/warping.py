"""One warp, two ways to apply it: compiled loops on the CPU, PyTorch on other devices."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from segkit.training.augmentation.cubic import coefficients, cubic_samples, linear_samples

if TYPE_CHECKING:
    from segkit.training.augmentation.spatial import Warp

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def warped(images: Tensor, references: Tensor, warps: Sequence[Warp | None], order: int = 1) -> tuple[Tensor, Tensor]:
    """Resample a batch; references to the class of largest linear weight (of equals the lowest).

    Args:
        images: (N, C, *size) float32.
        references: (N, *size) uint8.
        warps: of each sample; None leaves it as it is.
        order: of the spline through the images, 1 or 3.

    Returns:
        both, of the same shapes and types; 0 where a source lies outside.
    """
    moved = [(index, warp) for index, warp in enumerate(warps) if warp is not None]
    if not moved:
        return images, references
    images, references = images.contiguous(), references.contiguous()
    new_images, new_references = images.clone(), references.clone()
    is_on_cpu = images.device.type == "cpu"

    def move(job: tuple[int, Warp]) -> None:
        index, warp = job
        before, after = (images[index], references[index]), (new_images[index], new_references[index])
        (_on_cpu if is_on_cpu else _by_torch)(*before, warp, *after, order)

    if is_on_cpu and len(moved) > 1:  # compiled loops let go of the interpreter
        with ThreadPoolExecutor(min(len(moved), torch.get_num_threads())) as pool:
            list(pool.map(move, moved))
    else:
        for job in moved:
            move(job)
    return new_images, new_references


def lattice(warp: Warp, size: Sequence[int], points: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return matrix and offset from an index on a lattice over the patch to the source's index, in voxels.

    Args:
        warp: about the patch's centre.
        size: voxels of the patch.
        points: of the lattice along each axis; as many as `size` at full resolution.
    """
    step = np.divide(size, points)
    middle = (np.array(size) - 1) / 2
    # The outer faces of lattice and patch are the same, as those of a coarser image would be.
    offset = warp.matrix @ ((step - 1) / 2 - middle) + middle
    return (warp.matrix * step).astype(np.float32), offset.astype(np.float32)


def dense_bend(warp: Warp, points: Sequence[int], like: Tensor) -> Tensor | None:
    """Return the offsets at every point of a lattice, (D, *points), by cubic B-splines through the control points."""
    if warp.bend is None:
        return None
    field = torch.as_tensor(warp.bend, device=like.device)
    for axis, (controls, count) in enumerate(zip(warp.bend.shape[1:], points, strict=True), start=1):
        weights = torch.as_tensor(_spline_weights(controls, count), device=like.device)
        field = torch.tensordot(field, weights, dims=([axis], [1])).movedim(-1, axis)
    return field.contiguous()


def _spline_weights(controls: int, count: int) -> NDArray[np.float32]:
    """Return the weight of each control point at `count` points from the first to the last, (count, controls)."""
    place = np.linspace(0, controls - 1, count)[:, None]
    distance = np.abs(place - np.arange(-1, controls + 1))
    near, far = distance < 1, (distance >= 1) & (distance < 2)
    basis = np.where(near, 2 / 3 - distance**2 * (1 - distance / 2), 0) + np.where(far, (2 - distance) ** 3 / 6, 0)
    basis[:, 1] += basis[:, 0]  # the control points at the rim are repeated beyond it
    basis[:, -2] += basis[:, -1]
    return basis[:, 1:-1].astype(np.float32)


def _on_cpu(image: Tensor, reference: Tensor, warp: Warp, new_image: Tensor, new_reference: Tensor, order: int) -> None:
    # Here, since numba takes a while to load: a check of a config imports this module and warps nothing.
    from segkit.training.augmentation.label_loops import cells_of, sample_labels
    from segkit.training.augmentation.loops import refine, sample_cubic, sample_image

    size = tuple(reference.shape)
    shape = np.array(_in_3d(size))
    for points, channels in _by_lattice(warp, size, len(image)).items():
        is_full = points == size
        if is_full and not warp.moves:
            continue
        places = (
            *_padded(*lattice(warp, size, points)),
            _field(dense_bend(warp, points, image)),
            np.array(_in_3d(points)),
        )
        between = tuple(_between(coarse, fine) for coarse, fine in zip(_in_3d(points), shape, strict=True))
        for channel in channels:
            out = new_image[channel] if is_full else torch.empty(points)
            if order == 1:
                sample_image(_flat(image[channel]), shape, *places, _flat(out))
            else:
                sample_cubic(coefficients(image[channel].view(*shape)).numpy(), shape, *places, _flat(out))
            if not is_full:
                refine(out.view(_in_3d(points)).numpy(), between, new_image[channel].view(*shape).numpy())
        if is_full:
            labels = _flat(reference)
            cells = cells_of(labels.reshape(shape)).reshape(-1)
            sample_labels(labels, cells, shape, *places, _flat(new_reference))


def _between(coarse: int, fine: int) -> NDArray[np.float32]:
    """Return where the points of an axis lie on a coarser lattice with the same outer faces, held within it."""
    places = (np.arange(fine) + 0.5) * (coarse / fine) - 0.5
    held: NDArray[np.float32] = np.clip(places, 0, coarse - 1).astype(np.float32)
    return held


def _in_3d(size: tuple[int, ...]) -> tuple[int, ...]:
    """Return the size of a picture as that of one slice."""
    return (*[1] * (3 - len(size)), *size)


def _flat(values: Tensor) -> NDArray[Any]:
    """Return an array that shares the memory of a contiguous tensor."""
    flat: NDArray[Any] = values.view(-1).numpy()
    return flat


def _by_lattice(warp: Warp, size: tuple[int, ...], images: int) -> dict[tuple[int, ...], list[int]]:
    """Return the channels by the lattice that they are sampled on; the patch's own is always there, for references.

    Channels beyond those that the warp knows, an earlier stage's mask, keep the patch's own.
    """
    lattices: dict[tuple[int, ...], list[int]] = {size: list(range(len(warp.coarse), images))}
    for channel, points in enumerate(warp.coarse):
        lattices.setdefault(points or size, []).append(channel)
    return lattices


def _padded(
    matrix: NDArray[np.float32], offset: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return matrix and offset in 3D; of a picture's, the leading axis stays."""
    missing = 3 - len(offset)
    whole = np.eye(3, dtype=np.float32)
    whole[missing:, missing:] = matrix
    return whole, np.concatenate([np.zeros(missing, np.float32), offset])


def _field(bend: Tensor | None) -> NDArray[np.float32]:
    """Return offsets (3, points) for the loop; of no points where nothing is bent."""
    if bend is None:
        return np.zeros((3, 0), np.float32)
    field: NDArray[np.float32] = bend.reshape(len(bend), -1).numpy()
    return np.concatenate([np.zeros((3 - len(field), field.shape[1]), np.float32), field])


def _refined(values: Tensor, size: tuple[int, ...]) -> Tensor:
    """Interpolate a coarse lattice back to the patch, linearly."""
    if tuple(values.shape) == size:
        return values
    return functional.interpolate(values[None, None], size, mode=LINEAR[len(size)], align_corners=False)[0, 0]


def _by_torch(
    image: Tensor, reference: Tensor, warp: Warp, new_image: Tensor, new_reference: Tensor, order: int
) -> None:
    size = tuple(reference.shape)
    for points, channels in _by_lattice(warp, size, len(image)).items():
        if points == size and not warp.moves:
            continue
        places = _places(warp, size, points, image)
        grid = _grid(places, size)
        for channel in channels:
            values = image[channel]
            out = linear_samples(values, grid) if order == 1 else cubic_samples(coefficients(values), places)
            new_image[channel] = _refined(out, size)
        if points == size:
            new_reference.copy_(_labels(reference, grid))


def _places(warp: Warp, size: tuple[int, ...], points: tuple[int, ...], like: Tensor) -> Tensor:
    """Return the source's index for each point of a lattice, (D, *points)."""
    matrix, offset = (torch.as_tensor(part, device=like.device) for part in lattice(warp, size, points))
    axes = [torch.arange(count, device=like.device, dtype=torch.float32) for count in points]
    index = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    source = torch.tensordot(matrix, index, dims=1) + offset.reshape(-1, *[1] * len(points))
    bend = dense_bend(warp, points, like)
    places: Tensor = source if bend is None else source + bend
    return places


def _grid(places: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return indices as `grid_sample` takes them, (*points, D), last axis first, -1 to 1 between the outer centres."""
    half = torch.tensor([max(1, count - 1) / 2 for count in size], device=places.device)
    grid: Tensor = (places / half.reshape(-1, *[1] * len(size)) - 1).flip(0).movedim(0, -1)
    return grid


def _labels(reference: Tensor, grid: Tensor) -> Tensor:
    """Return the class of largest weight, one class at a time; what lies outside is 0."""
    best = torch.zeros(grid.shape[:-1], device=reference.device)
    classes = torch.zeros_like(reference)
    total = torch.zeros_like(best)
    for value in torch.unique(reference).tolist():
        if value:
            weight = linear_samples((reference == value).float(), grid)
            total += weight
            larger = weight > best
            best, classes = torch.where(larger, weight, best), classes.masked_fill(larger, value)
    return classes.masked_fill(1 - total >= best, 0)
