import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # `streams`, what several tests here build on
