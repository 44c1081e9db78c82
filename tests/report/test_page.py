"""The page is read as a browser would: what it says, loads (nothing), and what hostile names do (nothing)."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from bmcli.cli.app import run as bm
from bmcli.evaluation.measure import prepare
from bmcli.evaluation.robustness import by_corruptions
from bmcli.inference.opened import OpenedRun
from bmcli.report.charts import Line, chart
from bmcli.report.page import model_card, refresh, report, write_report
from bmcli.runs.run import Run
from tests.evaluated import evaluate_run
from tests.linear_run import MakeRun
from tests.report.conftest import DIGITS, HOSTILE, with_slices

pytestmark = pytest.mark.draws


class Page(HTMLParser):
    """Elements, the text, and every address; checks that tags are closed in order."""

    VOID = frozenset({"meta", "img", "br", "line", "circle", "polyline"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], self._open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def check(text: str) -> Page:
    """What every page must be."""
    page = Page(text)
    assert text.startswith("<!doctype html>") and text.isprintable() is False
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "object", "embed", "link", "form", "base"}
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("src", "href"):
            where = attributes.get(name)
            assert where is None or where.startswith("data:image/png;base64,") or where[1:] in ids, where
        if tag == "img":
            assert attributes["alt"]
        if tag == "svg":
            assert attributes["role"] == "img" and attributes["aria-label"]
    (policy,) = [a for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in (policy["content"] or "") and "script" not in (policy["content"] or "")
    assert dict(page.tags)["html"] == {"lang": "en"} and "title" in names and "main" in names
    return page


def test_it_says_what_the_run_knows(digits: Run) -> None:
    page = check(report(digits))
    found = json.loads(digits.read_text("evaluation/test.json"))
    low, high = found["intervals"]["accuracy"]
    for text in (
        "good-v1",
        f"{found['metrics']['accuracy']:.3f}",
        f"{low:.3f} – {high:.3f}",
        "validation, 144",
        "Most confused",
        "expected calibration error",
        "with the temperature fitted on validation",
        "The most confident mistakes",
        digits.record.data_fingerprint or "?",
    ):
        assert text in page.text, text
    assert sum(tag == "svg" for tag, _ in page.tags) == 3, "loss, accuracy, calibration"
    assert "name: digits" in page.text, "the config"
    assert report(digits) == report(digits), "the same again"


def test_what_was_answered_worst_stands_beside_it(make_run: MakeRun, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "t.csv"
    lines = [
        f"{x:.3f},{y:.3f},{'<b>' if (x > 0) ^ (i % 5 == 0) else 'no'}"
        for i, (x, y) in enumerate(rng.normal(size=(120, 2)))
    ]
    path.write_text("\n".join(["=x,y,label", *lines]))
    run = make_run({"data": {"path": str(path), "target": "label", "test": 0.5}})
    evaluate_run(run)
    kept = json.loads(run.read_text("predictions/test-worst.json"))["examples"]
    page = check(report(run))
    assert len(kept) == 20
    wrong = round(60 * (1 - json.loads(run.read_text("evaluation/test.json"))["metrics"]["accuracy"]))
    shown = [text for text in kept.values() if text in page.text]
    assert 3 < wrong < 20 and shown == list(kept.values())[:wrong], "the mistakes, and only they"
    assert not any("correct predictions" in (a.get("alt") or "") for tag, a in page.tags if tag == "img")


@pytest.mark.parametrize("name", ["diabetes"])
def test_of_numbers_there_is_no_confusion(make_run: MakeRun, name: str) -> None:
    run = make_run({"data": {"name": name}})
    evaluate_run(run)
    page = check(report(run))
    assert "r2" in page.text and "off by" in page.text
    assert not any(word in page.text for word in ("Confusion", "Calibration", "precision_macro"))


def test_a_run_that_was_never_measured_has_a_page_too(make_run: MakeRun) -> None:
    page = check(report(make_run(DIGITS)))
    assert "No split was evaluated." in page.text


def test_names_from_outside_do_nothing(digits: Run) -> None:
    document = json.loads(digits.read_text("evaluation/test.json"))
    document["classes"][0] = document["per_class"][0]["name"] = HOSTILE
    document["baseline"]["name"] = document["most_confused"]["true"] = HOSTILE
    digits.write_text("evaluation/test.json", json.dumps(document))
    rows = digits.read_text("predictions/test.csv").split("\r\n")
    text = "\r\n".join(rows).replace("\r\n0,", "\r\n0,").replace(",0,", f',"{HOSTILE[:-5]}\\x1b[31m",')
    digits.write_text("predictions/test.csv", text)
    digits.update(notes=[HOSTILE], data=HOSTILE, command=["bm", HOSTILE])
    page = check(report(digits))
    assert "<script>alert(1)</script>" in page.text, "as text"
    assert "{{ 7*7 }}" in page.text and "\\x1b[31m" in page.text
    card = model_card(digits)
    assert "<script" not in card.replace("\\<", "") and "\x1b" not in card


def test_many_classes_are_an_image(make_run: MakeRun) -> None:
    run = make_run(DIGITS)
    evaluate_run(run)
    document = json.loads(run.read_text("evaluation/test.json"))
    many = 30
    document["classes"] = [f"c{i}" for i in range(many)]
    document["confusion_matrix"] = np.eye(many, dtype=int).tolist()
    run.write_text("evaluation/test.json", json.dumps(document))
    (run.path / "predictions" / "test.csv").unlink()
    manifest = json.loads((run.path / "manifest.json").read_text())
    manifest["files"].pop("predictions/test.csv")
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    page = check(report(Run(run.path)))
    assert any(tag == "img" and "Confusion" in (a["alt"] or "") for tag, a in page.tags)


def test_the_command_writes_it_into_the_run(digits: Run, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    runs = ["--runs-dir", str(digits.path.parent)]
    assert bm(["report", "good", *runs]) == 0
    assert capsys.readouterr().out.strip() == str(digits.path / "report.html")
    assert "report.html" in digits.reload().manifest() and not digits.verify().problems
    assert bm(["report", "good", *runs, "-o", "mine.html", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == "mine.html"
    assert Path("mine.html").read_text("utf-8") == digits.read_text("report.html")
    assert bm(["report", "good", *runs, "--split", "train"]) == 2
    assert bm(["report", "good", *runs, "-o", "nowhere/mine.html"]) == 2
    assert bm(["report", "good", *runs, "--card"]) == 0
    card = Path("model_card.md").read_text("utf-8")
    for heading in ("Model details", "Intended use", "Data", "Evaluation", "Limitations", "How to use it"):
        assert f"## {heading}\n" in card
    blocks = card.split("\n\n")
    for block in blocks:  # no list, table or heading runs into what follows
        kinds = {line[:2] if line[:2] in ("- ", "##") else line[:1] == "|" for line in block.splitlines()}
        assert len(kinds) == 1 or block.startswith("```"), block
    assert "TODO" in card and "| accuracy |" in card
    Path("model_card.md").write_text("mine")
    assert bm(["report", "good", *runs, "--card"]) == 2 and Path("model_card.md").read_text() == "mine"


def test_a_new_evaluation_is_in_the_report_that_is_there(digits: Run) -> None:
    write_report(digits)
    before = digits.read_text("report.html")
    assert "train, " not in Page(before).text
    evaluate_run(digits, "train")
    refresh(digits)
    assert "train, " in Page(digits.read_text("report.html")).text


def test_slices_and_corruptions_are_in_it_where_they_were_measured(digits: Run) -> None:
    assert "Corruptions" not in Page(report(digits)).text
    by_corruptions(prepare(OpenedRun(digits)))
    with_slices(digits)
    page = check(report(digits))
    assert "brightness, strength 5" in page.text and "0.200 – 0.800" in page.text and "(few)" in page.text


def test_a_damaged_file_is_no_page(digits: Run, capsys) -> None:
    (digits.path / "evaluation" / "test.json").write_text("{}")
    assert bm(["report", "good", "--runs-dir", str(digits.path.parent)]) == 4


def test_a_comparison_is_a_page(digits: Run, make_run: MakeRun, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    evaluate_run(make_run({**DIGITS, "training": {"epochs": 3}}, name="noisy", noise=0.5))
    assert bm(["report", "good", "noisy", "--runs-dir", str(digits.path.parent)]) == 0
    assert bm(["report", "good", "good-v1", "--runs-dir", str(digits.path.parent)]) == 2
    page = check(Path("comparison.html").read_text("utf-8"))
    assert "noisy-v1 − good-v1" in page.text and "paired on the same" in page.text
    assert "config: training.epochs" in page.text and "★" in page.text


def test_charts_have_round_ticks_gaps_and_words() -> None:
    drawn = chart([Line("a<b", [(1, 0.5), (2, None), (3, 0.25), (4, 0.2)])], title="loss", x_label="epoch")
    page = Page(str(drawn))
    assert [t for t, _ in page.tags].count("polyline") == 2
    (svg,) = [a for t, a in page.tags if t == "svg"]
    assert svg["aria-label"] == "loss: a<b from 0.500 to 0.200"
    assert chart([Line("a", [(1, None)])], title="loss", x_label="epoch") == ""
    assert "polyline" in chart([Line("a", [(1, 2.0)])], title="loss", x_label="epoch")
