"""A checkpoint is written where it belongs and nowhere else, so that a kill leaves nothing in the temporary folder."""

import tempfile

import pytest
import torch

from segkit.training.callbacks import InPlace


def test_no_temporary_folder_is_asked_for(tmp_path, monkeypatch):
    for name in ("mkstemp", "mkdtemp", "TemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(tempfile, name, lambda *_, **__: pytest.fail("a temporary file"))
    InPlace().save_checkpoint({"weights": torch.arange(3)}, tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["weights"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
