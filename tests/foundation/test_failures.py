import pytest

from segkit.foundation.console import warn
from segkit.foundation.failures import failures_said, kind_of, say_failures
from segkit.foundation.journal import logged_to


def missing(*names):
    return {name: f"/my scans/{name}_0000.nii.gz: there is no image" for name in names}


def test_many_cases_that_fail_alike_are_said_in_one_line(capsys, tmp_path):
    with logged_to(tmp_path / "log.txt"):
        say_failures({**missing("a", "b", "c", "d"), "e": "it is empty"})
    assert capsys.readouterr().err.splitlines() == [
        "error: 4 cases (a, b, c ...): e.g. /my scans/a_0000.nii.gz: there is no image",
        "error: e: it is empty",
    ]
    logged = (tmp_path / "log.txt").read_text()
    assert all(f"{name}: {reason}" in logged for name, reason in missing("a", "b", "c", "d").items())


def test_few_cases_have_a_line_each_with_their_own_file(capsys):
    say_failures(missing("a", "b", "c"))
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_reason_that_is_the_same_word_by_word_is_no_example(capsys):
    say_failures(dict.fromkeys("abcde", "no mask"), warn, "left out")
    say_failures({"f": "no mask"}, warn, "left out")
    assert capsys.readouterr().err.splitlines() == [
        "warning: 5 cases (a, b, c ...) are left out: no mask",
        "warning: f is left out: no mask",
    ]


def test_while_work_goes_on_the_first_are_said_at_once_and_the_others_at_its_end(capsys, tmp_path):
    with logged_to(tmp_path / "log.txt"), failures_said("series") as tell:
        for name, reason in missing(*"abcdefgh").items():
            tell(name, reason)
        assert [line[:8] for line in capsys.readouterr().err.splitlines()] == ["error: a", "error: b", "error: c"]
    assert capsys.readouterr().err == (
        "error: 5 more series (d, e, f ...): e.g. /my scans/d_0000.nii.gz: there is no image\n"
    )
    assert "h: /my scans/h_0000.nii.gz: there is no image" in (tmp_path / "log.txt").read_text()


def test_what_was_counted_is_said_where_the_work_is_cut_short(capsys):
    def cut_short():
        with failures_said() as tell:
            for name in "abcde":
                tell(name, "torn")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_short()
    assert capsys.readouterr().err.endswith("error: 2 more cases (d, e): torn\n")


@pytest.mark.parametrize(
    ("one", "other", "is_alike"),
    [
        ("/x/a.nii.gz: is empty", "/y/7.nii.gz: is empty", True),
        ("/my scans/a/t1.nii: is empty", "/my scans/b/t1.nii: is empty", True),
        (r"C:\x\a.nii: is empty", r"C:\x\b.nii: is empty", True),
        ("/x/a.nii.gz and /y/a.nii.gz differ", "/x/b.nii.gz and /y/b.nii.gz differ", True),
        ("/x/a.nii.gz has 2 channels", "/x/b.nii.gz has 3 channels", False),
        ("/x/a.nii.gz is empty", "/x/b.nii.gz is torn", False),
        ("3/4 of its slices are missing", "1/4 of its slices are missing", False),
    ],
)
def test_reasons_are_alike_that_differ_in_nothing_but_files(one, other, is_alike):
    assert (kind_of("a", one) == kind_of("b", other)) is is_alike
