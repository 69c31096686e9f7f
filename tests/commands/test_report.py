"""The page is read as a browser would, and compared with what the run's files say."""

import base64
import csv
import gzip
import json
import math
import re
import threading
import urllib.error
import urllib.request

import nibabel as nib
import numpy as np
import pytest

from segkit.commands.report import report
from segkit.config.compose import configure
from segkit.foundation.errors import CasesFailedError, DataError, UsageError
from segkit.foundation.files import write_json
from segkit.reports.run_page import Options, looks_of, viewer_order
from segkit.reports.run_record import read_run
from segkit.reports.serving import Server
from tests.reports.made_runs import rename_case
from tests.reports.reading_pages import Reader

HOSTILE = "</script><script>alert(1)</script>"


def page_of(run, *words) -> Reader:
    return Reader(report(configure("report", [f"run={run}", *words])).read_text(encoding="utf-8"))


def book_of(page: Reader) -> dict:
    return json.loads(next(text for known, text in page.scripts if known.get("id") == "book"))


def test_every_figure_of_the_summary_is_the_one_that_summary_json_has(scored_run):
    run = scored_run()
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    page = page_of(run)
    rows = {known["data-label"]: cells for known, cells in page.tables["summary"] if "data-label" in known}
    assert set(rows) == {"inner", "outer", "mean"}
    for label, cells in rows.items():
        expected = summary["mean"] if label == "mean" else summary["labels"][label]
        shown = {known["data-metric"]: values for _, known, _, values in cells if "data-metric" in known}
        assert list(shown) == list(expected)
        for metric, values in shown.items():
            statistics = expected[metric]
            assert [float(value) for value in values] == [statistics["mean"], *statistics["ci95"]]
        counts = [int(values[0]) for *_, values in cells[-2:]]
        assert counts == [expected["dice"]["n"], expected["dice"]["left_out"]]
    spread = {known["data-label"]: cells for known, cells in page.tables["spread"] if "data-label" in known}
    shown = {known["data-metric"]: values for _, known, _, values in spread["outer"] if "data-metric" in known}
    for metric, values in shown.items():
        statistics = summary["labels"]["outer"][metric]
        assert [float(value) for value in values] == [statistics["median"], statistics["std"]]


def test_the_cases_are_those_of_the_table_the_worst_first(scored_run):
    run = scored_run()
    with (run / "evaluation" / "cases.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "dice"]
    dice = {(row["case"], row["label"]): float(row["value"]) for row in rows}
    page = page_of(run)
    rows = [cells for _, cells in page.tables["case-table"][1:]]
    body = [(cells[0][2], [float(value) for cell in cells[1:4] for value in cell[3]]) for cells in rows]
    for case, (mean, *by_label) in body:
        assert by_label == [dice[case, "inner"], dice[case, "outer"]]
        assert mean == pytest.approx(np.mean(by_label), abs=1e-15)
    assert [case for case, _ in body] == ["case_3", "case_2", "case_1", "case_0"]
    assert [case["name"] for case in book_of(page)["cases"]] == ["case_3", "case_2", "case_1", "case_0"]
    assert body[-1][1] == [1, 1, 1]


def test_a_page_needs_nothing_beside_it_and_runs_nothing_that_a_name_brings(scored_run):
    run = scored_run()
    rename_case(run, "case_1", HOSTILE)
    path = report(configure("report", [f"run={run}"]))
    text = path.read_text(encoding="utf-8")
    page = Reader(text)
    assert HOSTILE in page.text  # as text
    assert "<script>alert" not in text
    assert not page.attributes("link", "href")[1:]
    assert not page.attributes("script", "src")
    assert all(url.startswith("data:image/") for url in page.attributes("img", "src"))
    assert not [name for _, known in page.elements for name in known if name.startswith("on")]
    assert path.stat().st_size < 15e6


def test_names_in_the_viewer_s_book_cannot_end_its_script(scored_run, tmp_path):
    name = "<!--<script>x"
    page = page_of(scored_run(names=["a", name]))
    assert {case["name"] for case in book_of(page)["cases"]} == {"a", name}
    assert len(page.scripts) == 1 + 2 + 2 + 1  # book, two cases, viewer in two, page


def test_no_folder_no_header_and_when_asked_no_name_is_told(scored_run, tmp_path):
    run = scored_run(names=["DOE^JOHN", "ROE^JANE"])
    image = tmp_path / "run_data" / "images" / "DOE^JOHN.nii.gz"
    scan = nib.load(image)
    scan.header["descrip"] = b"born 1950-01-01"
    nib.save(scan, image)
    text = report(configure("report", [f"run={run}", "anonymous=true"])).read_text(encoding="utf-8")
    assert "DOE^JOHN" not in text
    assert "ROE^JANE" not in text
    assert str(tmp_path) not in text
    page = Reader(text)
    assert {case["name"] for case in book_of(page)["cases"]} == {"case 1", "case 2"}
    volumes = [json.loads(text) for known, text in page.scripts if known.get("id", "").startswith("volumes-")]
    for part in volumes:
        assert b"1950" not in gzip.decompress(base64.b64decode(part["image"]))[:352]


def test_volumes_that_have_no_room_lie_beside_the_page_and_old_ones_go(scored_run):
    run = scored_run()
    page = page_of(run, "file_size=2.51MB")  # room for one or so
    inline = [known["id"] for known, _ in page.scripts if known.get("id", "").startswith("volumes-")]
    parts = run / "report_parts"
    beside = sorted(path.name for path in parts.iterdir())
    assert beside
    assert len(inline) + len(beside) == 4
    text = (parts / beside[-1]).read_text()
    place = int(beside[-1].removesuffix(".js"))
    assert re.fullmatch(rf"segkitPart\({place}, (.*)\);\n", text)
    assert set(json.loads(text[text.index("{") : text.rindex("}") + 1])) == {"image", "reference", "mask"}
    page_of(run)
    assert not parts.exists()


def test_a_run_without_references_shows_images_and_masks(scored_run):
    run = scored_run(references=False)
    page = page_of(run)
    assert "has not been evaluated" in page.text
    assert [case["has"] for case in book_of(page)["cases"]] == [["mask"]] * 4
    assert "case-table" not in page.tables


def test_a_run_whose_images_are_gone_still_has_its_scores(scored_run, tmp_path, capsys):
    run = scored_run()
    (tmp_path / "run_data").rename(tmp_path / "elsewhere")
    page = page_of(run)
    assert "not where they were" in page.text
    assert len(page.tables["case-table"]) == 5
    assert not [known for known, _ in page.scripts if known.get("id") == "book"]


def test_a_run_that_has_only_begun_has_a_page(scored_run):
    run = scored_run(references=False)
    for path in sorted(run.rglob("*"), reverse=True):
        if path.name != "config.yaml":
            path.rmdir() if path.is_dir() else path.unlink()
    page = page_of(run)
    assert "No step has been recorded" in page.text
    assert "not begun" in page.text


def test_one_bad_case_is_named_and_costs_only_itself(scored_run, tmp_path):
    run = scored_run()
    (tmp_path / "run_data" / "images" / "case_2.nii.gz").write_bytes(b"broken")
    with pytest.raises(CasesFailedError, match="1 cases could not be read"):
        page_of(run)
    page = Reader((run / "report.html").read_text(encoding="utf-8"))
    assert [case["name"] for case in book_of(page)["cases"]] == ["case_3", "case_1", "case_0"]
    assert str(tmp_path) not in page.text
    assert len(page.tables["case-table"]) == 5


def test_the_first_thing_shown_is_where_the_mask_errs_most(scored_run):
    run = scored_run()
    worst = book_of(page_of(run))["cases"][0]
    record = read_run(run, [])
    files = record.files["case_3"]
    # Both files run to the left, and the page to the right.
    reference, mask = (np.asarray(nib.load(path).dataobj)[::-1] for path in (files.reference, files.mask))
    wrong = reference != mask
    assert wrong[tuple(worst["worst"])]
    assert worst["worst"][2] == int(np.argmax(wrong.sum(axis=(0, 1))))


def test_groups_and_calibration_are_shown_where_the_evaluation_has_them(scored_run):
    run = scored_run()
    path = run / "evaluation" / "summary.json"
    summary = json.loads(path.read_text())
    means = summary["mean"]
    summary["groups"] = {"site": {"A": {"cases": 3, "mean": means}, "<i>B": {"cases": 1, "mean": means}}}
    summary["columns"] = {f"case_{index}": {"site": "AAB<"[index % 2]} for index in range(4)}
    write_json(path, summary)
    lines = ["label,from,to,voxels,mean_probability,frequency"]
    lines += ["inner,0,0.5,100,0.2,0.3", "inner,0.5,1,100,0.9,0.7", "outer,0,1,0,,"]
    (run / "evaluation" / "reliability.csv").write_text("\n".join(lines) + "\n")
    page = page_of(run)
    assert "<i>B" in page.text
    assert "Expected calibration error 0.1500 over 200 voxels" in page.text
    assert "Calibration of outer" not in page.text


def test_five_hundred_cases_make_a_page(scored_run):
    run = scored_run(cases=500)
    page = page_of(run, "workers=1")
    assert len(page.tables["case-table"]) == 501
    assert len(book_of(page)["cases"]) == 500
    assert (run / "report.html").stat().st_size < 15e6


def test_figures_tables_and_cases_as_files(scored_run, tmp_path):
    from PIL import Image

    run, folder = scored_run(), tmp_path / "figures"
    page_of(run, f"figures={folder}", "cases=[case_2]")
    names = {path.name for path in folder.iterdir()}
    assert {
        "scores_dice.svg",
        "scores_dice.png",
        "agreement_outer.svg",
        "loss.png",
        "summary.csv",
        "summary.tex",
    } <= names
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    with (folder / "summary.csv").open() as file:
        rows = {(row["label"], row["metric"]): row for row in csv.DictReader(file)}
    assert float(rows["mean", "dice"]["mean"]) == summary["mean"]["dice"]["mean"]
    assert float(rows["outer", "iou"]["ci95_low"]) == summary["labels"]["outer"]["iou"]["ci95"][0]
    assert f"{summary['mean']['dice']['mean']:.3f}" in (folder / "summary.tex").read_text()
    with Image.open(folder / "case_case_2.gif") as moving:
        assert moving.n_frames > 5
    with Image.open(folder / "case_case_2.png") as still:
        assert still.width > still.height
    with pytest.raises(UsageError, match="did you mean case_2"):
        page_of(run, f"figures={folder}", "cases=[cas_2]")


def test_mistakes_are_said_in_one_line(scored_run, tmp_path):
    run = scored_run()
    with pytest.raises(DataError, match="neither a run folder"):
        page_of(tmp_path)
    with pytest.raises(UsageError, match="PET is no channel"):
        page_of(run, "channel=PET")
    with pytest.raises(UsageError, match="file_size"):
        page_of(run, "file_size=big")
    (run / "evaluation" / "cases.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="is not a table of case,label,metric,value"):
        page_of(run)


def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_server_gives_volumes_to_whoever_has_the_token_alone(scored_run):
    record = read_run(scored_run(), [])
    looks = looks_of(record, Options(0, None, 10**7, is_served=True))
    order = viewer_order(record)
    with Server("<p>page</p>", lambda place: looks.volumes(record.files[order[place]])) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert server.server_address[0] == "127.0.0.1"
        assert fetch(server.address) == (200, b"<p>page</p>")
        status, image = fetch(f"{server.address}volumes/0/image")
        assert status == 200
        array = np.asarray(nib.Nifti1Image.from_bytes(image).dataobj)
        scan = np.asarray(nib.load(record.files["case_3"].images["image"]).dataobj)[::-1]
        assert np.abs(array - scan).max() <= (scan.max() - scan.min()) / 255
        assert fetch(f"{server.address}volumes/99/image")[0] == 404
        assert fetch(f"{server.address}volumes/0/../../etc/passwd")[0] == 404
        assert fetch(server.address.replace(server.token, "guess"))[0] == 404
        assert fetch(server.address, Host="evil.example")[0] == 404
        server.shutdown()


def test_infinite_and_missing_values_are_shown_as_such(scored_run):
    run = scored_run()
    path = run / "evaluation" / "cases.csv"
    lines = [line for line in path.read_text().splitlines() if ",hd95," not in line]
    for index, value in enumerate(["inf", "", "2.5", "1.0"]):
        lines += [f"case_{index},{label},hd95,{value}" for label in ("inner", "outer")]
    path.write_text("\n".join(lines) + "\n")
    page = page_of(run)
    shown = {cells[0][2]: cells[-1] for _, cells in page.tables["case-table"][1:]}
    assert math.isinf(float(shown["case_0"][3][0]))
    assert shown["case_0"][2] == "∞"
    assert shown["case_1"][3] == [""]
    assert float(shown["case_2"][3][0]) == 2.5
