"""Muon for the kernels of hidden layers and AdamW for everything else, in one optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from segkit.foundation.errors import UsageError

QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan's coefficients: steep at 0, and singular values end in about 0.7 to 1.2
ITERATIONS = 5
RMS = 0.2  # root mean square of an update of AdamW, which Muon's are brought to


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for hidden layers, AdamW for the first layer, the last ones and whatever is no matrix.

    A kernel (out, in, *size) is the matrix (out, in * size) to Muon. The first layer is the first parameter of two or
    more axes; the last are those at the end with as many rows as the very last, the heads of a deeply supervised
    network. The updates of both have the same root mean square, so that one rate and one weight decay serve both.

    Args:
        params: parameters of a network, in the order of its layers.
        lr: learning rate.
        weight_decay: decoupled, as in AdamW.
        momentum: of Muon, with Nesterov's look ahead.
        betas: of AdamW.
        eps: of AdamW.

    Raises:
        UsageError: when `lr` or `weight_decay` is negative, or a momentum is not in [0, 1).

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the scale of updates from
    Liu et al. 2025, "Muon is scalable for LLM training", equation 4; AdamW is Loshchilov & Hutter 2019.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.003,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        if lr < 0 or weight_decay < 0:
            raise UsageError(f"optimizer.lr and optimizer.weight_decay: {lr} and {weight_decay} must not be negative")
        if not all(0 <= share < 1 for share in (momentum, *betas)):
            raise UsageError(f"optimizer.momentum and optimizer.betas: {momentum} and {list(betas)} are not in [0, 1)")
        hidden, others = split(list(params))
        groups: list[dict[str, Any]] = [
            {"params": hidden, "orthogonal": True, "momentum": momentum},
            {"params": others, "orthogonal": False, "betas": tuple(betas), "eps": eps},
        ]
        # An empty group would stand in the way of nothing but of those who look at its first parameter.
        super().__init__([group for group in groups if group["params"]], {"lr": lr, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step.

        Args:
            closure: computes the loss and the gradients anew.

        Returns:
            What `closure` returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            if group["orthogonal"]:
                self._step_orthogonally(group, moved)
            else:
                self._step_as_adamw(group, moved)
        return loss

    def _step_orthogonally(self, group: dict[str, Any], moved: list[Tensor]) -> None:
        for parameter in moved:
            gradient: Any = parameter.grad
            state = self.state[parameter]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            average = state["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
            ahead = gradient.lerp(average, group["momentum"])
            update = orthogonal(ahead.flatten(1))
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            scale = RMS * math.sqrt(max(update.shape))
            parameter.add_(update.reshape(parameter.shape).to(parameter.dtype), alpha=-group["lr"] * scale)

    def _step_as_adamw(self, group: dict[str, Any], moved: list[Tensor]) -> None:
        for parameter in moved:
            if not self.state[parameter]:
                moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                self.state[parameter] = {"step": torch.tensor(0.0), **moments}
        gradients: list[Any] = [parameter.grad for parameter in moved]
        means, squares, steps = [
            [self.state[parameter][name] for parameter in moved] for name in ("exp_avg", "exp_avg_sq", "step")
        ]
        (beta1, beta2), decay = group["betas"], group["weight_decay"]
        adamw(
            moved, gradients, means, squares, [], steps, amsgrad=False, beta1=beta1, beta2=beta2, lr=group["lr"],
            weight_decay=decay, eps=group["eps"], maximize=False,
        )  # fmt: skip


def split(parameters: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the kernels of hidden layers, and all other parameters, each in their order.

    Where shapes repeat from the first parameter to the last, as a committee's do, each repetition is a network.
    """
    count = repetitions([parameter.shape for parameter in parameters])
    size = len(parameters) // count
    inner = [kernel for index in range(count) for kernel in hidden(parameters[index * size : (index + 1) * size])]
    names = {id(parameter) for parameter in inner}
    return inner, [parameter for parameter in parameters if id(parameter) not in names]


def hidden(parameters: list[Tensor]) -> list[Tensor]:
    """Return the kernels of one network between its first layer and its last ones."""
    layers = [parameter for parameter in parameters if parameter.dim() >= 2]
    inner = layers[1:]
    while inner and len(inner[-1]) == len(layers[-1]):
        inner.pop()
    return inner


def repetitions(shapes: list[torch.Size]) -> int:
    """Return how many times over the shortest beginning fills a whole list."""
    total = len(shapes)
    return next(
        (total // size for size in range(1, total) if total % size == 0 and shapes == shapes[:size] * (total // size)),
        1,
    )


def orthogonal(matrix: Tensor) -> Tensor:
    """Return nearly the nearest matrix with orthonormal rows or columns, U V^T of the singular value decomposition.

    Every iterate is a polynomial P of the small Gram matrix times `matrix`; iterating P alone spares most of the work.

    Args:
        matrix: (rows, columns).

    Returns:
        shape (rows, columns), float32, with singular values about 0.7 to 1.2, save for those below a thousandth of the
        matrix's norm; of zeros zeros.

    Source: Jordan et al. 2024, "Muon", the quintic Newton-Schulz iteration.
    """
    a, b, c = QUINTIC
    is_tall = len(matrix) > matrix.shape[1]
    wide = (matrix.T if is_tall else matrix).float()
    gram = wide @ wide.T
    norm = gram.trace().sqrt().clamp(min=1e-7)
    gram = gram / norm**2
    polynomial = torch.eye(len(gram), device=gram.device) / norm
    for _ in range(ITERATIONS):
        step = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        step.diagonal().add_(a)
        polynomial, gram = step @ polynomial, step @ gram @ step
    found = polynomial @ wide
    return found.T if is_tall else found
