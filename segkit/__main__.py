"""`python -m segkit`: the command line without its console script."""

import sys

from segkit.cli import main
from segkit.foundation.tether import follow_parent

if __name__ == "__main__":
    follow_parent()
    sys.exit(main())
