"""What names of folders and files say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmcli.files import patterns
from bmcli.files.names import is_generic, split_of, suggest_pattern


@pytest.mark.parametrize(
    ("name", "split"),
    {
        **dict.fromkeys(["train", "Training", "TRAIN", "train_data", "train set", "Train_images"], "train"),
        **dict.fromkeys(["train-images", "training_set", "trainset", "trainingSet", "TrainData"], "train"),
        **dict.fromkeys(["seg_train", "train2017", "01_train", "train (1)", "images.train"], "train"),
        **dict.fromkeys(["val2017", "validation_set", "VALID", "val-images", "dev", "valset"], "validation"),
        **dict.fromkeys(["test_data", "Testing", "testSet", "seg-test", "test 2", "TestImages"], "test"),
        **dict.fromkeys(["strain", "contest", "latest", "train_test", "rose", "0", "value", "device"]),
        **dict.fromkeys(["trainer", "invalid", "protest_signs", "testament", ""]),
    }.items(),
)
def test_words_of_splits(name: str, split: str | None) -> None:
    found = split_of(name)
    assert (found and found[0]) == split


@given(
    word=st.sampled_from(["train", "training", "val", "valid", "validation", "dev", "test", "testing"]),
    before=st.sampled_from(["", "my", "seg", "2017", "x"]),
    between=st.sampled_from(["_", "-", " ", "__", ". "]),
    after=st.sampled_from(["", "data", "set", "images", "2", "v1"]),
    case=st.sampled_from([str.lower, str.upper, str.title]),
)
def test_a_split_word_is_found_in_any_company(
    word: str, before: str, between: str, after: str, case: Callable[[str], str]
) -> None:
    found = split_of(case(between.join(filter(None, [before, word, after]))))
    assert found is not None
    assert found[0][:3] == {"dev": "val"}.get(word, word[:3])


@pytest.mark.parametrize("name", ["images", "Data Set", "test", "all_images", "JPEGImages"])
def test_names_that_say_nothing(name: str) -> None:
    assert is_generic(name) and not is_generic(f"{name} of roses")


@pytest.mark.parametrize("name", ["0", "2019", "雨", "rose", "-", "valet"])
def test_names_that_may_be_classes(name: str) -> None:
    assert not is_generic(name)


@given(st.text(max_size=30))
def test_any_name_has_an_answer(name: str) -> None:
    split_of(name)


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.1.jpg"], "^(cat|dog)"),
        (["cat_1.png", "cat_2.png", "catfish_1.png", "catfish_2.png"], "^(catfish|cat)"),
        (
            ["great danish_1.jpg", "great danish_2.jpg", "pug (1).jpg", "pug (2).jpg"],
            "^(great danish|pug)",
        ),
        (["1_cat.jpg", "2_cat.jpg", "3_dog.jpg", "4_dog.jpg"], "(cat|dog)[.][^.]*$"),
        (["IMG_1.jpg", "IMG_2.jpg", "DSC_1.jpg", "DSC_2.jpg"], None),
        (["frame_1.jpg", "frame_2.jpg", "cat_1.jpg", "cat_2.jpg"], None),
        (["1.jpg", "2.jpg", "3.jpg", "4.jpg"], None),
        (["cat.0.jpg", "cat.1.jpg", "cat.2.jpg", "cat.3.jpg"], None),
        (["cat.0.jpg", "cat.1.jpg", "dog.2.jpg", "readable.jpg"], None),
    ],
)
def test_patterns_are_suggested_where_names_are_clear(names: list[str], pattern: str | None) -> None:
    found = suggest_pattern(names)
    assert (found and found[0]) == pattern
    if found:
        matcher = patterns.NamePattern(found[0], "x")
        assert {matcher.find(name) for name in names} == set(found[1])
