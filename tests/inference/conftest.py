import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `streams`, `fake_model`: what several tests here build on


@pytest.fixture
def scans(tmp_path):
    paths = {name: tmp_path / f"{name}.bin" for name in "abc"}
    for name, path in paths.items():
        path.write_text(name)
    return {name: {"CT": path} for name, path in paths.items()}
