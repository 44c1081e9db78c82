from __future__ import annotations

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import bmcli
from tests.cli.test_evaluate import shape

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = ["[red].png", "img[/b].png", "=cmd().png", "\x1b[31m.png"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes with names that could do harm, of images that are easy to tell apart."""
    folder = tmp_path / "photos"
    noise = np.random.default_rng(0)
    for name, level in (("[red]", 40), ("=cmd()", 200)):
        (folder / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.clip(noise.normal(level, 20, (6, 6, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture
def image_run(make_run, photos):
    return make_run({"data": {"path": str(photos), "validation": 0}}, name="photos")


def inputs_of(tmp_path: Path) -> list[str]:
    names = []
    for i, name in enumerate(HOSTILE):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 6), (200 * (i % 2),) * 3).save(tmp_path / name)
        names.append(name)
    return names


def lines(out: str) -> list[dict]:
    return [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]


def golden(name: str, documents: list[dict]) -> None:
    kept = json.loads((GOLDEN / f"{name}.json").read_text())
    for document in documents:
        assert {"format": document["format"], "shape": shape(document)} == kept


def test_one_object_per_input_and_line(invoke, image_run, tmp_path):
    names = inputs_of(tmp_path)
    done = invoke("predict", *names, "--run", "photos", "--json")
    assert done.code == 0
    documents = lines(done.out)
    assert [d["input"] for d in documents] == names
    assert [d["label"] for d in documents] == ["[red]", "=cmd()"] * 2
    for document in documents:
        assert document["run"] == "photos-v1"
        assert sum(choice["probability"] for choice in document["top"]) == pytest.approx(1, abs=1e-5)
        assert {k: document[k] for k in ("label", "index", "probability")} == document["top"][0]
    golden("predict_classes", documents)
    assert [len(d["top"]) for d in lines(invoke("predict", *names, "--json", "--top-k", "1").out)] == [1] * 4


def test_regression_gives_a_value(invoke, make_run, tmp_path):
    make_run({"data": {"name": "diabetes"}})
    columns = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
    with (tmp_path / "rows.csv").open("w") as file:
        csv.writer(file).writerows([[*columns, "note"], [0.01] * 10 + ["x"], [-0.01] * 10 + ["y"]])
    done = invoke("predict", "rows.csv", "--json")
    documents = lines(done.out)
    assert [d["input"] for d in documents] == ["rows.csv:1", "rows.csv:2"]
    golden("predict_regression", documents)
    assert "rows.csv:2" in invoke("predict", "rows.csv").out
    (tmp_path / "far.csv").write_text(",".join(columns) + "\n" + ",".join(["99999"] * 10) + "\n")
    (_, _, far) = invoke("predict", "far.csv").out.strip().rpartition("  ")
    assert abs(float(far.replace(",", "").replace("−", "-"))) > 1e6, "a number a person can read"
    assert "e" not in far and "," in far
    (tmp_path / "rows.csv").write_text("age\n1\n")
    done = invoke("predict", "rows.csv")
    assert (done.code, done.out) == (3, "")
    assert "'bmi'" in done.err


def test_what_cannot_be_read_is_listed_and_the_rest_predicted(invoke, image_run, tmp_path):
    names = inputs_of(tmp_path)
    (tmp_path / "broken[").mkdir()
    (tmp_path / "broken[/b].png").write_bytes(b"not an image")
    done = invoke("predict", names[0], "broken[/b].png", "nowhere.png", names[1])
    assert done.code == 3
    assert done.out.count("\n") == 3  # a head and two answers
    assert "2 of 4 inputs cannot be used" in done.err
    assert "broken[/b].png" in done.err and "nowhere.png" in done.err
    done = invoke("predict", names[0], "broken[/b].png", "--json")
    assert done.code == 3
    good, bad = lines(done.out)
    assert good["label"] == "[red]"
    assert bad["input"] == bad["error"]["file"] == "broken[/b].png"
    golden("predict_unusable", [bad])
    assert "broken[/b].png" in done.err
    done = invoke("predict", "nowhere.png", "--run", "photos")
    assert (done.code, done.out) == (3, "")


def test_names_from_outside_do_nothing(invoke, image_run, tmp_path):
    names = inputs_of(tmp_path)
    done = invoke("predict", *names)
    assert all(c.isprintable() or c == "\n" for c in done.out + done.err)
    assert "[red].png" in done.out and "img[/b].png" in done.out and "\\x1b[31m.png" in done.out
    alone = invoke("predict", "\x1b[31m.png").out
    assert "[red]" in alone and "\x1b" not in alone and "█" in alone


def test_a_csv_holds_no_formulas(invoke, image_run, tmp_path):
    names = inputs_of(tmp_path)
    done = invoke("predict", *names, "--output", "out.csv")
    assert (done.code, done.out) == (0, "")
    assert "4 predictions" in done.err
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["input"] for row in rows] == ["[red].png", "img[/b].png", "'=cmd().png", r"\x1b[31m.png"]
    assert {row["label"] for row in rows} == {"[red]", "'=cmd()"}
    assert all(float(row["probability"]) >= float(row["probability_2"]) for row in rows)


def test_jsonl_and_parquet_hold_what_json_says(invoke, image_run, tmp_path):
    names = inputs_of(tmp_path)
    said = lines(invoke("predict", *names, "--json").out)
    invoke("predict", *names, "--output", "out.jsonl")
    assert lines((tmp_path / "out.jsonl").read_text()) == said
    invoke("predict", *names, "--output", "out.parquet")
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame["label"].to_list() == [d["label"] for d in said]
    assert frame["probability"].to_list() == [d["probability"] for d in said]


def test_output_is_whole_or_not_there(invoke, image_run, tmp_path):
    names = inputs_of(tmp_path)
    assert invoke("predict", names[0], "--output", "out.txt").code == 2
    assert invoke("predict", names[0], "nowhere.png", "--output", "out.csv").code == 3
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 2
    assert sorted(p.name for p in tmp_path.glob("*out*")) == ["out.csv"]


def test_without_run_it_says_which_and_json_insists(invoke, image_run, make_run, tmp_path):
    (name, *_) = inputs_of(tmp_path)
    done = invoke("predict", name)
    assert done.code == 0
    assert "photos-v1" in done.err and "others" not in done.err
    make_run({"data": {"name": "digits", "limit": 60}}, name="zdigits")
    make_run({"data": {"name": "diabetes"}}, name="table")
    done = invoke("predict", name)
    assert "zdigits-v1" in done.err and "others: photos" in done.err
    done = invoke("predict", name, "--json")
    assert done.code == 2
    assert "--run" in done.json["error"]["hint"]
    assert invoke("predict", name, "--json", "--run", "photos").code == 0


@pytest.fixture
def text_run(store):
    """Says 'good' where the word is, by the mean of one number per token."""
    from onnx import TensorProto, helper, numpy_helper

    from bmcli.config.schema import PreprocessingConfig, TextConfig
    from bmcli.data.bundle import DataBundle, Split, Texts
    from bmcli.modalities import preprocessing

    train = Split(Texts(("good good", "bad bad")), np.array([1, 0]), ("0", "1"))
    bundle = DataBundle("text", "binary", ("[bad]", "=good()"), train, None, None, "")
    prepared, spec = preprocessing.fit(bundle, PreprocessingConfig(text=TextConfig(max_length=8)))
    scores = np.zeros((spec.vocabulary_size, 2), np.float32)
    scores[prepared.ids["good"], 1] = scores[prepared.ids["bad"], 0] = 30
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["scores", "input"], ["each"]),
            helper.make_node("ReduceMean", ["each"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("Softmax", ["mean"], ["output"]),
        ],
        "words",
        [helper.make_tensor_value_info("input", TensorProto.INT32, ["n", "length"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(scores, "scores")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    run = store.create("words", kind="text", task="binary", classes=spec.classes)
    run.write_text("config.yaml", "name: words\ndata: {path: /gone/train.csv, text: body, delimiter: ;}\n")
    for file, text in preprocessing.dump(prepared, spec).items():
        run.write_text(file, text)
    run.write_bytes("model.onnx", model.SerializeToString())
    run.seal("completed")
    return run


def test_texts_from_everywhere(bm, invoke, text_run, tmp_path):
    (tmp_path / "a.txt").write_text("A GOOD film")
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "1.txt").write_text("good\n\nbad bad\n")
    (tmp_path / "t.csv").write_text("id;body\n1;good, good\n2;bad\n")

    def labels(*args, stdin=""):
        done = bm("predict", *args, "--json", stdin=stdin) if stdin else invoke("predict", *args, "--json")
        assert done.code == 0, done.err
        return [(d["input"], d["label"]) for d in lines(done.out)]

    good, bad = "=good()", "[bad]"
    assert labels("so good", "[red] bad", "--text") == [("so good", good), ("[red] bad", bad)]
    assert labels("a.txt", "reviews") == [("a.txt", good), ("reviews/1.txt", bad)]
    assert labels("reviews/*.txt", "--lines") == [("reviews/1.txt:1", good), ("reviews/1.txt:3", bad)]
    assert labels("-", "--lines", stdin="bad\ngood\n") == [("-:1", bad), ("-:2", good)]
    assert labels("-", "--run", "words", stdin="bad\nbad good\n") == [("-", bad)]
    # the run's own column and delimiter
    assert labels("t.csv") == [("t.csv:1", good), ("t.csv:2", bad)]
    done = invoke("predict", "so good", "--run", "words")
    assert done.code == 3
    assert "--text" in done.err


def test_text_flags_need_a_run_of_texts(invoke, image_run):
    assert invoke("predict", "a fine film", "--text").code == 2
    assert invoke("predict", "a fine film", "--text", "--run", "photos").code == 2


def test_a_folder_from_the_shell_needs_neither_tensorflow_nor_more(image_run, photos, tmp_path):
    heavy = (
        "tensorflow",
        "keras",
        "sklearn",
        "scipy",
        "polars",
        "matplotlib",
        "tokenizers",
        "rich",
        "pydantic",
    )
    script = (
        "import sys; sys.argv = ['bm', 'predict', 'photos', '--json']\n"
        "from bmcli.cli.app import run\n"
        "code = run(sys.argv[1:])\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    documents = lines(done.stdout)
    assert len(documents) == 24
    right = [Path(d["input"]).parent.name == d["label"] for d in documents]
    assert np.mean(right) > 0.9
    assert done.stderr.splitlines()[-1] == "[]"


def test_a_reader_that_leaves_early(image_run, photos, tmp_path):
    bm_predict = f"{sys.executable} -c 'from bmcli.__main__ import main; main()' predict --json"
    command = f"{bm_predict} photos photos photos | head -n 1"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert len(lines(done.stdout)) == 1


def started(tmp_path: Path, *args: str) -> subprocess.Popen[bytes]:
    """bm predict with a stdin that stays open: what comes before `-` is answered, then it waits."""
    return subprocess.Popen(
        [sys.executable, "-c", "from bmcli.__main__ import main; main()", "predict", *args],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "HOME": str(tmp_path)},
    )


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_an_output_that_is_cut_off_keeps_what_is_done(image_run, tmp_path, number, code):
    names = inputs_of(tmp_path)
    found = bmcli.Run(image_run).predict([(tmp_path / name).read_bytes() for name in names], display=None)
    said = [{"label": one.label, "input": name} for one, name in zip(found, names, strict=True)]
    (tmp_path / "out.csv").write_text("of last week\n")
    kept = tmp_path / "out.csv.partial.jsonl"
    process = started(tmp_path, *names, "-", "--output", "out.csv")
    wait_for(lambda: kept.exists() and kept.read_text().count("\n") == len(names), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert (tmp_path / "out.csv").read_text() == "of last week\n", "never half a file in place of a whole one"
    assert [{key: one[key] for key in ("label", "input")} for one in lines(kept.read_text())] == said
    if code > 0:
        assert b"out.csv was not written; out.csv.partial.jsonl holds 4 predictions" in err
        assert b"stopped after 4 predictions" in err and b"Traceback" not in err


def test_answers_are_written_as_they_come(image_run, tmp_path):
    names = inputs_of(tmp_path)
    process = started(tmp_path, *names, "-", "--json")
    first = [json.loads(process.stdout.readline()) for _ in names]
    assert [one["input"] for one in first] == names
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == b"" and b"stopped after 4 predictions" in err


def test_what_ends_well_or_has_no_answer_leaves_nothing_beside_it(invoke, image_run, tmp_path, monkeypatch):
    names = inputs_of(tmp_path)
    (tmp_path / "out.csv.partial.jsonl").write_text("of a work that was killed")
    assert invoke("predict", *names, "--output", "out.csv").code == 0
    assert sorted(p.name for p in tmp_path.glob("out*")) == ["out.csv"]

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bmcli.inference.prediction_files._write_csv", fail)
    assert invoke("predict", *names, "--output", "other.csv").code == 6
    assert not list(tmp_path.glob("other*"))

    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", read_only)
    done = invoke("predict", *names, "--output", "third.csv")
    assert done.code == 6
    assert "error: cannot write third.csv: No space left on device\n" in done.err, "the first reason is told"


def test_on_a_terminal_it_shows_how_far_it_is(image_run, tmp_path):
    names = inputs_of(tmp_path)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from bmcli.__main__ import main; main()",
            "predict",
            *names,
            "-",
            "--output",
            "o.csv",
        ],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=slave,
        env={**os.environ, "HOME": str(tmp_path), "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(slave)
    seen = b""
    while b"4/5" not in seen:
        seen += os.read(master, 10_000)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert "predicting  " in seen.decode() and "img/s" in seen.decode()
    os.close(master)


def test_in_a_pipe_it_shows_nothing(invoke, image_run, tmp_path):
    done = invoke("predict", *inputs_of(tmp_path), "--output", "o.csv", "--run", "photos")
    assert done.err == "o.csv: 4 predictions\n"
