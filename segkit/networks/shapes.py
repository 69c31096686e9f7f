"""Shapes that operations of U-Nets make, told without PyTorch's compiler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

JOIN = "cat"
NORMALISATIONS = {"native_batch_norm", "native_group_norm"}  # instance normalisation comes down to the first
ALIKE = {"add", "mul", "relu", "leaky_relu", "sigmoid", "gelu"}  # of tensors of one shape and format they make one more


def outputs_of(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return what an operation makes of tensors without numbers.

    What U-Nets are made of is settled here: to tell the shapes PyTorch would import its whole compiler, a second and
    100 MB.
    """
    name, image = func._schema.name.removeprefix("aten::"), args[0]
    if name == JOIN and len({each.dtype for each in image}) == 1:
        return image[0].new_empty(joined(*args))
    if name.endswith("_") and torch.Tag.pointwise in func.tags:
        return image
    if name in NORMALISATIONS:  # with mean and deviation of each channel
        return image.new_empty(image.shape), *(image.new_empty(image.shape[1]) for _ in range(2))
    if name in ALIKE and len({(each.shape, each.dtype) for each in args if isinstance(each, Tensor)}) == 1:
        return image.new_empty(image.shape)
    if name in SHAPES:
        return image.new_empty(SHAPES[name](*args))
    return func(*args, **kwargs)


def joined(tensors: Sequence[Tensor], axis: int = 0) -> list[int]:
    """Return the shape of tensors that are put behind each other along an axis."""
    shape = list(tensors[0].shape)
    shape[axis] = sum(each.shape[axis] for each in tensors)
    return shape


def resized(image: Tensor, sizes: Sequence[int], *_: Any) -> list[int]:
    """Return the shape of an image (N, C, ...) that is interpolated."""
    return [*image.shape[:2], *sizes]


def pooled(
    image: Tensor, window: Sequence[int], strides: Sequence[int] = (), paddings: Sequence[int] = (),
    is_ceil: bool = False, *_: Any,
) -> list[int]:  # fmt: skip
    """Return the shape of an image (N, C, ...) whose windows are averaged.

    Source: PyTorch's page on AvgPool3d, "Shape".
    """
    sizes = []
    for size, width, stride, padding in zip(
        image.shape[2:], window, strides or window, paddings or [0] * len(window), strict=True
    ):
        room = size + 2 * padding - width
        steps = -(-room // stride) if is_ceil else room // stride
        sizes.append(steps + 1 - (is_ceil and steps * stride >= size + padding))
    return [*image.shape[:2], *sizes]


def repeated(tensor: Tensor, repeats: Sequence[int]) -> list[int]:
    """Return the shape of a tensor that is repeated along each axis, new ones in front."""
    shape = [*[1] * (len(repeats) - tensor.dim()), *tensor.shape]
    return [size * times for size, times in zip(shape, repeats, strict=True)]


def convolved(
    image: Tensor, weights: Tensor, _: Tensor | None, strides: Sequence[int], paddings: Sequence[int],
    dilations: Sequence[int], is_transposed: bool, more: Sequence[int], groups: int,
) -> tuple[int, ...]:  # fmt: skip
    """Return the shape that a convolution, or a transposed one, makes of an image.

    Args:
        image: shape (N, C, ...).
        weights: shape (outputs, inputs of a group, ...) or, transposed, (inputs, outputs of a group, ...).
        _: biases.
        strides: per axis.
        paddings: on each side, per axis.
        dilations: per axis.
        is_transposed: which of the two it is.
        more: voxels that a transposed one adds per axis.
        groups: of channels.

    Source: PyTorch's pages on Conv3d and ConvTranspose3d, "Shape".
    """
    sizes = []
    for size, kernel, stride, padding, dilation, extra in zip(
        image.shape[2:], weights.shape[2:], strides, paddings, dilations, more, strict=True
    ):
        reach = dilation * (kernel - 1)
        if is_transposed:
            sizes.append((size - 1) * stride - 2 * padding + reach + extra + 1)
        else:
            sizes.append((size + 2 * padding - reach - 1) // stride + 1)
    return len(image), weights.shape[1] * groups if is_transposed else len(weights), *sizes


SHAPES: dict[str, Callable[..., Sequence[int]]] = {
    "convolution": convolved,
    "repeat": repeated,
    **dict.fromkeys(("avg_pool2d", "avg_pool3d"), pooled),
    **dict.fromkeys(("upsample_bilinear2d", "upsample_trilinear3d"), resized),
}
