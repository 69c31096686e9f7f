import os
import pty
import re
import select
import subprocess
import sys

import pytest

from segkit.foundation import console
from segkit.foundation.console import error, paths_written, progress, progress_bar, say, table, warn
from segkit.foundation.journal import logged_to

LONG = "/a" * 200 + "/DOE^JOHN (1) ü=~& [red].nii.gz"


def on_terminal(code: str, columns: int) -> str:
    """Run code with a terminal of `columns` as stdout and stderr, and give what it showed, without colours."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    code = f"from segkit.foundation.console import *\n{code}"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 30)[0]:
        try:
            shown += os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n").replace("\r", "\n")


def test_lines_go_to_stdout_and_trouble_to_stderr(capsys):
    say("hello [bold]")
    warn("odd")
    error("bad")
    paths_written([LONG, "b"])
    assert capsys.readouterr() == (f"hello [bold]\nwrote {LONG}\nwrote b\n", "warning: odd\nerror: bad\n")


def test_what_is_printed_is_journalled_too(tmp_path, capsys):
    say("before")
    with logged_to(tmp_path / "log.txt"):
        say(b"caf\xe9 100%".decode("utf-8", "surrogateescape"))
        error("bad")
    say("after")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["INFO caf\\udce9 100%", "ERROR bad"]


def test_names_of_strangers_cannot_steer_the_terminal(capsys):
    say("evil\x1b[2Jname\x9b\x07 tab\tline\nnext")
    assert capsys.readouterr().out == "evil\\x1b[2Jname\\x9b\\x07 tab\tline\nnext\n"


def test_any_file_name_prints_on_any_stream():
    code = "from segkit.foundation.console import say; say(b'caf\\xe9 \\xc3\\xbc'.decode('utf-8', 'surrogateescape'))"
    for encoding, shown in (("utf-8", "caf\\udce9 ü"), ("ascii", "caf\\udce9 \\xfc")):
        printed = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=True,
        )
        assert printed.stdout.decode() == shown + "\n"


def test_a_piped_table_is_plain_and_aligned(capsys):
    table("Dice", ["case", "mean"], [["a", 0.5], [LONG, "-"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Dice"
    assert lines[1] == "case".ljust(len(LONG)) + "  mean"
    assert lines[2] == "-" * len(LONG) + "  ----"
    assert lines[3] == "a".ljust(len(LONG)) + "   0.5"
    assert lines[4] == LONG + "     -"


def test_an_empty_table_has_its_head(capsys):
    table("", ["case", "mean"], [])
    assert capsys.readouterr().out.splitlines() == ["case  mean", "----  ----"]


def test_a_table_with_a_wrong_row_is_refused():
    with pytest.raises(ValueError, match="needs 2 cells"):
        table("x", ["a", "b"], [[1]])


@pytest.mark.parametrize("total", [1, 3, 10, 19, 260, 100_000])
def test_piped_progress_of_slow_work_is_about_ten_plain_lines(capsys, total, monkeypatch):
    monkeypatch.setattr(console, "_PLAIN_SECONDS", 0)
    assert list(progress(range(total), what="predicting")) == list(range(total))
    lines = capsys.readouterr().out.splitlines()
    assert min(total, 10) <= len(lines) <= 11
    assert lines[-1].startswith(f"predicting: {total}/{total} after ")
    assert "left" not in lines[-1]


def test_piped_progress_of_quick_work_is_one_line(capsys):
    assert list(progress(range(1000), what="predicting")) == list(range(1000))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("predicting: 1000/1000 after ")


def test_piped_progress_without_a_total_stays_short(capsys, monkeypatch):
    monkeypatch.setattr(console, "_PLAIN_SECONDS", 0)
    assert sum(1 for _ in progress(iter(range(5000)), what="reading")) == 5000
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 13
    assert lines[-1].startswith("reading: 4096 after ")


def test_piped_progress_of_a_night_speaks_after_half_a_minute_and_then_each_ten_minutes(capsys, monkeypatch):
    clock = iter(range(0, 10**9, 36))  # one reading of it in each advance but where a line is said: two
    monkeypatch.setattr(console.time, "monotonic", lambda: float(next(clock)))
    with progress_bar(1000, "training for 10h", percent=True) as advance:
        for _ in range(100):
            advance()
    lines = [line.split(" left")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("training for 10h: 0.1% after ")
    assert 5 <= len(lines) <= 8


def test_progress_of_nothing_says_nothing(capsys):
    assert list(progress([], what="reading")) == []
    assert capsys.readouterr().out == ""


def test_the_bar_counts_several_steps(capsys):
    with progress_bar(100, "copying") as advance:
        advance(50)
        advance(50)
    assert [line.split(" after")[0] for line in capsys.readouterr().out.splitlines()] == ["copying: 100/100"]


def test_a_share_is_shown_as_one(capsys):
    with progress_bar(8, "training", percent=True) as advance:
        advance(8)
    assert capsys.readouterr().out.startswith("training: 100.0% after ")
    bar = "with progress_bar(8, 'training', percent=True) as advance: advance(3)"
    assert "37.5%" in on_terminal(f"from segkit.foundation.console import progress_bar\n{bar}", 80)


def test_a_terminal_shows_a_bar_and_lines_above_it():
    shown = on_terminal("for x in progress(range(3), what='predicting [red]'): say(f'case {x}')", 80)
    assert "predicting [red]" in shown
    assert "3/3" in shown
    assert re.search(r"^case 1 *$", shown, re.MULTILINE)


def test_bars_nest_on_a_terminal_and_the_outer_one_stays():
    code = "for x in progress(range(2), what='outer'):\n for y in progress(range(2), what='inner'): pass"
    last = on_terminal(code, 60).strip().splitlines()[-1]
    assert "outer" in last
    assert "2/2" in last


def test_a_bar_on_a_narrow_terminal_keeps_its_words():
    last = on_terminal("for x in progress(range(300), what='predicting'): pass", 26).strip().splitlines()[-1]
    assert re.fullmatch(r"predicting 300/300 0:00:\d\d *", last)


def test_a_terminal_shows_a_table_that_fits():
    shown = on_terminal("table('Dice', ['case', 'mean'], [['[red]a', 0.5]])", 60)
    assert "Dice" in shown
    assert re.search(r"\[red\]a +│ +0.5", shown)


def test_a_narrow_terminal_shows_records_instead():
    shown = on_terminal("table('Dice', ['case', 'liver', 'spleen'], [['hippocampus_001', 0.91, 0.85]])", 30)
    assert shown == "Dice\n- hippocampus_001\n  liver: 0.91\n  spleen: 0.85\n"


def test_a_terminal_never_breaks_a_path():
    assert on_terminal(f"error({LONG!r})", 40) == f"error: {LONG}\n"


def test_rich_is_not_imported_when_piped():
    code = "import sys; from segkit.foundation.console import *; list(progress([1])); print('rich' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.endswith("False\n")
