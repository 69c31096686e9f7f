"""`python -m segkit`: the command line without its console script."""

import sys

from segkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
