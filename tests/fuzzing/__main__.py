"""The long run: `python -m tests.fuzzing [seconds] [reader]` hands damaged files to the readers, and counts.

Where atheris is installed (`pip install atheris`) and no folder of real files is named, coverage leads the damage.
"""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.fuzzing.long_run import fuzzed, guided
from tests.fuzzing.trying import BY_NAME

FIRST = 1_000_000  # other inputs than those of the tests


def main() -> int:
    """Fuzz, print a line for each reader and each finding, and return 1 where there was one."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=600, help="in all, shared by the readers")
    parser.add_argument("reader", nargs="?", choices=sorted(BY_NAME), help="one of them; all when left out")
    parser.add_argument("--first", type=int, default=FIRST, help="number of the first input")
    parser.add_argument("--data", type=Path, help="folder of real files that serve as seeds too")
    asked = parser.parse_args()
    names = [asked.reader] if asked.reader else list(BY_NAME)
    total = 0
    for name in names:
        seconds = asked.seconds / len(names)
        is_led = find_spec("atheris") is not None and asked.data is None
        inputs, found = guided(name, seconds) if is_led else fuzzed(name, seconds, asked.first, asked.data)
        print(f"{name}: {inputs} inputs, {len(found)} findings", *found, sep="\n  ", flush=True)
        total += len(found)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
