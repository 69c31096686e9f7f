"""The compiled loops give the same bits in the process that compiles them and in those that find them compiled."""

import os
import subprocess
import sys
from pathlib import Path

SAMPLE = """
import hashlib
import numpy as np
from segkit.training.augmentation.loops import sample_image
draw, shape = np.random.default_rng(0), np.array([20, 18, 17])
image, out = draw.normal(size=shape.prod()).astype(np.float32), np.empty(16**3, np.float32)
matrix = (np.eye(3) + draw.normal(size=(3, 3)) * 0.1).astype(np.float32)
bend = draw.normal(size=(3, 16**3)).astype(np.float32)
sample_image(image, shape, matrix, np.array([1, 2, 1.5], np.float32), bend, np.array([16, 16, 16]), out)
print(sum(sample_image.stats.cache_hits.values()), hashlib.sha256(out.tobytes()).hexdigest())
"""


def test_what_was_just_compiled_and_what_the_cache_holds_round_alike(tmp_path):
    package = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(package)}
    said = [
        subprocess.run(
            [sys.executable, "-c", SAMPLE], env=environment, capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    ]
    assert [hits for hits, _ in said] == ["0", "1"]
    assert said[0][1] == said[1][1]
