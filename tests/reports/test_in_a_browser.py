"""The pages in a real browser: nothing complains, the canvas shows the case, and every control changes the picture."""

import io

import numpy as np
import pytest
from PIL import Image

from segkit import cli
from segkit.commands.report import report
from segkit.config.compose import configure
from tests.reports.chromium import VIEWER_SHOWS, Chromium, Page, installed
from tests.reports.made_runs import rename_case
from tests.studies.scored_runs import scores_of, write_run

pytestmark = pytest.mark.skipif(installed() is None, reason="no browser: chromium is not on the path")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


def picture(page: Page) -> np.ndarray:
    """What the canvas shows, in grey or colours."""
    page.wait_until_drawn()
    box = page.evaluate(
        "(() => { const box = document.getElementById('viewer-canvas').getBoundingClientRect();"
        "return [box.left, box.top, box.right, box.bottom] })()"
    )
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        scale = shot.width / page.evaluate("innerWidth")
        return np.asarray(shot.convert("RGB").crop([round(edge * scale) for edge in box])).astype(int)


def click(page: Page, selector: str) -> None:
    page.evaluate(f"document.querySelector({selector!r}).click()")


def test_the_viewer_shows_a_case_and_every_control_changes_the_picture(chromium, scored_run):
    run = scored_run()
    page = Page(chromium, report(configure("report", [f"run={run}"])).as_uri(), 800, 640)
    page.evaluate("document.getElementById('viewer').scrollIntoView({behavior: 'instant'})")
    page.wait_for(VIEWER_SHOWS.format(0))
    seen = [picture(page)]
    assert seen[0].std() > 10  # not blank
    assert (seen[0].max(axis=2) - seen[0].min(axis=2) > 60).mean() > 0.01  # labels have colours
    for selector in (
        "[data-label='1']", "[data-label='1']", "#viewer-errors", "#viewer-errors", "#viewer-mask", "#viewer-reference",
        "[data-layout=axial]", "[data-layout=coronal]", "[data-layout=sagittal]", "[data-layout=solid]",
    ):  # fmt: skip
        click(page, selector)
        seen.append(picture(page))
        assert np.abs(seen[-1] - seen[-2]).mean() > 0.05, selector
    click(page, "[data-layout=planes]")
    click(page, "#viewer-mask")
    click(page, "#viewer-reference")
    first = picture(page)
    page.key("n")
    page.wait_for(VIEWER_SHOWS.format(1))
    assert page.evaluate("document.getElementById('viewer-title').textContent").startswith("case_2")
    assert np.abs(picture(page) - first).mean() > 0.05
    page.key("p")
    page.wait_for(VIEWER_SHOWS.format(0))
    assert np.abs(picture(page) - first).mean() < 0.05
    assert page.evaluate("document.getElementById('viewer-previous').disabled")
    assert page.complaints == []
    page.close()


def test_tables_sort_and_filter_and_their_rows_open_cases(chromium, scored_run):
    page = Page(chromium, report(configure("report", [f"run={scored_run()}"])).as_uri())
    names = "[...document.querySelectorAll('#case-table tbody tr:not([hidden]) th')].map((cell) => cell.textContent)"
    assert page.evaluate(names) == ["case_3", "case_2", "case_1", "case_0"]
    click(page, "#case-table thead th:nth-child(2) button")
    assert page.evaluate(names) == ["case_0", "case_1", "case_2", "case_3"]
    assert page.evaluate("document.querySelector('#case-table [aria-sort]').getAttribute('aria-sort')") == "descending"
    click(page, "#case-table tbody tr:nth-child(2)")
    page.wait_for(VIEWER_SHOWS.format(2))
    page.evaluate(
        "(() => { const find = document.querySelector('input[type=search]'); find.value = 'case_2';"
        "find.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )
    assert page.evaluate(names) == ["case_2"]
    assert page.complaints == []
    page.close()


def test_parts_beside_a_page_are_loaded_from_disk(chromium, scored_run):
    run = scored_run()
    path = report(configure("report", [f"run={run}", "file_size=2.501MB"]))
    assert len(list((run / "report_parts").iterdir())) == 4
    page = Page(chromium, f"{path.as_uri()}#case-3")
    page.wait_for(VIEWER_SHOWS.format(3))
    assert picture(page).std() > 10
    (run / "report_parts" / "1.js").unlink()
    page.evaluate("segkitViewer.open(1)")
    assert "belongs beside this page" in page.evaluate("document.getElementById('viewer-over').textContent")
    page.close()


def test_a_hostile_name_is_shown_as_text_and_a_phone_needs_no_sideways_scrolling(chromium, scored_run):
    run = scored_run()
    rename_case(run, "case_1", "<script>alert(1)</script>")
    page = Page(chromium, report(configure("report", [f"run={run}"])).as_uri(), 390, 844, phone=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert "<script>alert(1)</script>" in page.evaluate("document.getElementById('case-table').textContent")
    assert page.complaints == []
    page.close()


def test_runs_are_kept_by_dragging_along_an_axis_and_let_go_by_a_click(chromium, tmp_path):
    for at, loss in enumerate(("dice", "focal", "tversky")):
        write_run(tmp_path / f"loss={loss}", [f"loss={loss}"], scores_of(-0.02 * at, range(12)))
    assert cli.main(["compare", f"runs={tmp_path}", f"output={tmp_path}/out"]) == 0
    page = Page(chromium, (tmp_path / "out" / "leaderboard.html").as_uri())
    dimmed = "[...document.querySelectorAll('#standings tr.dim th')].map((cell) => cell.textContent)"

    def press(kind: str, run: int, beside: int) -> None:
        x, y = page.evaluate(
            f"(() => {{ const line = document.querySelector('.parallel [data-run=\"{run}\"]'), point = line.points[0];"
            f"const seen = new DOMPoint(point.x, point.y + {beside}).matrixTransform(line.getScreenCTM());"
            "return [seen.x, seen.y] })()"
        )
        page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    page.evaluate("document.querySelector('.parallel').scrollIntoView({behavior: 'instant'})")
    for kind, beside in (("mousePressed", -12), ("mouseMoved", 12), ("mouseReleased", 12)):
        press(kind, 1, beside)
    assert page.evaluate(dimmed) == ["loss=dice", "loss=tversky"]
    for kind in ("mousePressed", "mouseReleased"):
        press(kind, 1, 0)
    assert page.evaluate(dimmed) == []
    page.evaluate("document.querySelector('#standings tr[data-run=\"2\"]').dispatchEvent(new Event('pointerenter'))")
    assert page.evaluate("document.querySelectorAll('.parallel .lit').length") == 1
    assert page.complaints == []
    page.close()


def test_dark_and_light_have_enough_contrast(chromium, scored_run):
    page = Page(chromium, report(configure("report", [f"run={scored_run()}"])).as_uri())
    names = ("paper", "card", "ink", "muted", "accent", "bad", "good")
    style = "getComputedStyle(document.documentElement)"
    colours = f"{list(names)}.map((name) => {style}.getPropertyValue(`--${{name}}`).trim())"
    papers = set()
    for scheme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        paper, card, *inks = page.evaluate(colours)
        papers.add(paper)
        assert all(contrast(ink, ground) >= 4.5 for ink in inks for ground in (paper, card))  # WCAG 2.2, AA
    assert len(papers) == 2
    page.close()


def contrast(one: str, other: str) -> float:
    """Source: WCAG 2.2, "contrast ratio"."""

    def luminance(colour: str) -> float:
        parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)
