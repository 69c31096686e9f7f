import subprocess
import sys

import pytest

# Memory that a block of 20 MB leaves behind, once one of 25 MB has taught the allocator to keep such blocks.
LEFT_BEHIND = """
import sys, numpy as np
from segkit.foundation.allocator import hand_back_large_blocks
from segkit.foundation.machine import memory_used
if sys.argv[1] == "handed back":
    assert hand_back_large_blocks()
first = np.ones(25_000_000, np.uint8)
del first
before = memory_used()[0]
block, small = np.ones(20_000_000, np.uint8), np.ones(100_000, np.uint8)
del block
print(memory_used()[0] - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc's")
def test_large_blocks_are_handed_back_when_they_are_freed():
    left = {
        how: int(subprocess.run([sys.executable, "-c", LEFT_BEHIND, how], capture_output=True, check=True).stdout)
        for how in ("kept", "handed back")
    }
    assert left["handed back"] < 5_000_000 < 15_000_000 < left["kept"]
