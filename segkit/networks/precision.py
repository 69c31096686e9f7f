"""Where a network lives, and in which number format it computes."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from segkit.foundation.errors import UsageError


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Say whether a network computes in bfloat16.

    Args:
        precision: `bf16`, `32`, or `auto`: bf16 where the hardware multiplies it natively.
        device: where the network lives.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and cpu_multiplies_bf16()


def cpu_multiplies_bf16() -> bool:
    """Say whether this processor has AVX512-BF16 or AMX."""
    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which forward passes run."""
    return torch.autocast(device.type, torch.bfloat16, enabled=uses_bf16(precision, device))


def choose_device(name: str) -> torch.device:
    """Return the device that `auto`, `cpu`, `cuda`, `cuda:1` or `mps` names.

    Raises:
        UsageError: when it is not on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        # Any machine knows the name; only a tensor shows whether the device is there.
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device={name} is not on this machine; write auto, cpu, cuda, cuda:1 or mps") from error
    return device
