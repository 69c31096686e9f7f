"""A trial of a sweep, run as `python -m segkit` would, to which a fault may happen; it leaves its count of events."""

import os
import signal
import sys
from pathlib import Path

from segkit.cli import main
from segkit.foundation.tether import follow_parent
from tests.faults.striking import FOLDER, counting, told_fault

if __name__ == "__main__":
    folder = Path(os.environ[FOLDER])
    follow_parent()
    counted = counting(folder, told_fault())
    code = main(sys.argv[1:])
    signal.setitimer(signal.ITIMER_REAL, 0)
    (folder.parent / "trial_events.txt").write_text(str(counted()))
    sys.exit(code)
