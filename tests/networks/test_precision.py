import pytest
import torch

from segkit.foundation.errors import UsageError
from segkit.networks import precision
from segkit.networks.precision import autocast, choose_device, uses_bf16

CPU = torch.device("cpu")


def test_what_is_asked_for_is_done():
    assert uses_bf16("bf16", CPU)
    assert not uses_bf16("32", CPU)
    assert not uses_bf16("32", torch.device("cuda"))


@pytest.mark.parametrize("native", [True, False])
def test_auto_asks_the_hardware(native, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native, "amx_bf16": False})
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert uses_bf16("auto", CPU) is native
    assert uses_bf16("auto", torch.device("cuda")) is native
    assert not uses_bf16("auto", torch.device("mps"))


def test_amx_counts_and_an_unknown_processor_does_not(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert precision.cpu_multiplies_bf16()
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert not precision.cpu_multiplies_bf16()


@pytest.mark.parametrize(("asked", "dtype"), [("bf16", torch.bfloat16), ("32", torch.float32)])
def test_forward_passes_run_in_the_chosen_format(asked, dtype):
    with autocast(asked, CPU):
        assert torch.nn.Linear(4, 4)(torch.randn(2, 4)).dtype == dtype


def test_auto_takes_what_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "tpu", "", "xpu"])
def test_a_device_that_is_not_there_is_named(name):
    with pytest.raises(UsageError, match=f"device={name} is not on this machine"):
        choose_device(name)
