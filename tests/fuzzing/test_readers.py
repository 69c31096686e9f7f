"""Every reader gives a result or one line that names the file, whatever it is handed; `scripts/fuzz` tries more."""

import sys
from pathlib import Path

import pytest

from tests.fuzzing.reader import Reader
from tests.fuzzing.trying import DOORS, planted, tried
from tests.fuzzing.watching import CANARY

TRIES = 2000


@pytest.fixture
def canary(tmp_path, monkeypatch) -> Path:
    """A package on the path whose import does harm: it leaves a file."""
    package = tmp_path / "packages" / CANARY
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"open({str(tmp_path / 'harm')!r}, 'w')\nclass Net: pass\n")
    monkeypatch.syspath_prepend(package.parent)
    return tmp_path / "harm"


@pytest.mark.parametrize("reader", DOORS, ids=lambda reader: reader.name)
def test_damaged_files_are_read_or_refused_in_a_line(reader: Reader, tmp_path, canary):
    seeds = planted(reader, tmp_path / "seeds")
    findings = [each for each in tried(reader, seeds, range(int(TRIES * reader.share))) if each]
    assert not findings, "\n".join(f"{each.number} {each.seed}/{each.file}: {each.complaint}" for each in findings)
    assert not canary.exists()
    assert CANARY not in sys.modules
