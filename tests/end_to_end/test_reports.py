"""Reports as users ask for them."""

import signal
import urllib.request


def test_a_page_by_default_lies_in_the_run(segkit, scored_run):
    run = scored_run()
    done = segkit("report", f"run={run}")
    assert f"wrote {run / 'report.html'}" in done.stdout
    assert "4 cases in the viewer" in done.stdout
    again = segkit("report", f"run={run}", "output=elsewhere/page.html", "worst=0")
    assert (segkit.folder / "elsewhere" / "page.html").is_file()
    assert "Failures first" not in (segkit.folder / "elsewhere" / "page.html").read_text()
    assert again.stderr == ""


def test_the_very_same_page_comes_again(segkit, scored_run):
    run = scored_run()
    segkit("report", f"run={run}")
    first = (run / "report.html").read_bytes()
    segkit("report", f"run={run}", "workers=2")
    assert (run / "report.html").read_bytes() == first


def test_mistakes_take_one_line(segkit, scored_run, tmp_path):
    assert "there is no folder" in segkit("report", "run=nowhere", expect=2).stderr
    (tmp_path / "empty").mkdir()
    said = segkit("report", f"run={tmp_path / 'empty'}", expect=1).stderr
    assert "neither a run folder" in said
    assert said.count("\n") == 1


def test_a_served_page_ends_with_ctrl_c(segkit, scored_run):
    run = scored_run()
    process = segkit.start("report", f"run={run}", "serve=true")
    line = next(line for line in process.stdout if "serving" in line)
    with urllib.request.urlopen(line.split()[-1]) as answer:
        assert b"Failures first" in answer.read()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == "error: stopped by Ctrl-C\n"
    assert not (run / "report.html").exists()
