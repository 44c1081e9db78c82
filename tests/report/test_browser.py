"""Reports in a real browser, clicked through: at several widths, light and dark, in print, by keyboard alone,
and judged by axe (WCAG 2.1 AA: contrast, names, order)."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bmcli.evaluation.compare import compare
from bmcli.evaluation.measure import prepare
from bmcli.evaluation.robustness import by_corruptions
from bmcli.inference.opened import OpenedRun
from bmcli.report.page import comparison_report, report
from bmcli.runs.store import RunStore
from tests.evaluated import evaluate_run
from tests.linear_run import finished_run
from tests.report.conftest import DIGITS, HOSTILE, measured_digits, with_slices

playwright = pytest.importorskip("playwright.sync_api")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.skipif(BROWSER is None, reason="no Chromium here"), pytest.mark.draws]


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: playwright.Browser) -> Iterator[playwright.Page]:
    """A tab in which nothing may be asked for, said by a script, or complained about."""
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    found: list[str] = []
    tab.on("dialog", lambda dialog: (found.append(dialog.message), dialog.dismiss()))
    tab.on("pageerror", lambda error: found.append(str(error)))
    tab.on("console", lambda message: found.append(message.text))
    tab.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or found.append(asked.url))
    yield tab
    tab.close()
    assert found == []


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A report with every section, and hostile names in them; one of numbers; a comparison."""
    folder = tmp_path_factory.mktemp("pages")
    store = RunStore(folder / "runs")
    run = measured_digits(store)
    by_corruptions(prepare(OpenedRun(run)))
    with_slices(run)
    about = {"label": HOSTILE, "value": 0.9, "completeness_error": 0.001, "true": "3"}
    words = [HOSTILE, "a", "tale", "of", "two"] * 80
    tokens = [{"token": word, "weight": 0.1 * i} for i, word in enumerate(words)]
    features = [{"name": HOSTILE, "value": 1, "weight": -2}]
    explanations = [
        {**about, "input": HOSTILE, "tokens": tokens, "deletion": {"most_important": 0.5, "random": 0.1}},
        {**about, "input": "row", "features": features, "deletion": None},
    ]
    drops = {HOSTILE: 0.2, "b": -0.1}
    columns = [{"column": name, "drop": drop, "deviation": 0.1} for name, drop in drops.items()]
    importance = {"metric": "accuracy", "value": 0.9, "rows": 99, "columns": columns}
    kept = {"weights_sha256": None, "explanations": explanations, "importance": importance}
    run.write_text("explanations/test.json", json.dumps(kept))
    numbers = finished_run(store, {"data": {"name": "diabetes"}}, name="numbers")
    other = finished_run(store, {**DIGITS, "training": {"epochs": 3}}, name="noisy", noise=0.5)
    for one in (numbers, other):
        evaluate_run(one)
    texts = [report(run), report(numbers), comparison_report(compare([run, other]))]
    paths = [folder / name for name in ("full.html", "numbers.html", "comparison.html")]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, "utf-8")
    return paths


@pytest.fixture
def full(pages: list[Path]) -> Path:
    return pages[0]


def test_every_section_is_a_click_away(page: playwright.Page, full: Path) -> None:
    page.goto(full.as_uri())
    links = page.get_by_role("navigation", name="Sections").get_by_role("link")
    names = links.all_inner_texts()
    assert {"Summary", "Confusion", "Slices", "Corruptions", "Explanations", "Environment"} <= set(names)
    for name in names:
        links.filter(has_text=re.compile(f"^{name}$")).click()
        heading = page.get_by_role("heading", name=name, exact=True, level=2)
        playwright.expect(heading).to_be_in_viewport()
        assert page.url.endswith("#" + name.lower())
    config = page.get_by_text("name: digits")
    playwright.expect(config).not_to_be_visible()
    page.get_by_text("The config with all defaults").click()
    playwright.expect(config).to_be_visible()
    assert page.get_by_text("alert(1)").count() > 3, "the hostile names are there, as text"


def test_the_keyboard_alone_is_enough(page: playwright.Page, full: Path) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(full.as_uri())
    page.keyboard.press("Tab")
    playwright.expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    matrix = page.get_by_role("region", name="Confusion matrix")
    for _ in range(40):
        if matrix.evaluate("it => it === document.activeElement"):
            break
        page.keyboard.press("Tab")
    playwright.expect(matrix).to_be_focused()
    assert matrix.evaluate("it => it.scrollWidth > it.clientWidth")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("it => it.scrollLeft > 0", arg=matrix.element_handle(), timeout=5000)
    summary = page.locator("summary")
    for _ in range(40):
        if summary.evaluate("it => it === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    playwright.expect(page.get_by_text("name: digits")).to_be_visible()


@pytest.mark.parametrize("width", [320, 400, 1200, 2500])
def test_no_page_is_wider_than_the_window(page: playwright.Page, pages: list[Path], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for path in pages:
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(page: playwright.Page, pages: list[Path], scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme)
    for path in pages:
        page.goto(path.as_uri())
        for summary in page.locator("summary").all():
            summary.click()
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()


def test_on_paper_it_is_light_and_whole(page: playwright.Page, full: Path) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(full.as_uri())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    playwright.expect(page.get_by_role("navigation", name="Sections")).not_to_be_visible()
    text = page.locator(".tall").first
    assert text.evaluate("it => it.scrollHeight <= it.clientHeight"), "a long text is not cut"
    assert page.pdf().startswith(b"%PDF")
