"""bmcli.core.stopwatch."""

from __future__ import annotations

import pytest

from bmcli.core import stopwatch
from bmcli.core.stopwatch import REST, Stopwatch, phase, waiting


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_phases_are_exclusive_and_sum_to_the_whole() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    clock.now = 1
    assert watch.switch("outer") == REST
    clock.now = 3
    assert watch.switch("inner") == "outer"
    clock.now = 6
    watch.switch("outer")
    clock.now = 10
    watch.switch(REST)
    watch.add("start", 5)
    clock.now = 15
    assert watch.seconds() == {"outer": 6, "inner": 3, "start": 5, REST: 6}
    assert list(watch.seconds())[-1] == REST


def test_what_is_raised_ends_its_phase() -> None:
    with stopwatch.running() as watch:
        with pytest.raises(KeyError), phase("failing"):
            raise KeyError
        assert watch.switch(REST) == REST
    assert "failing" in watch.seconds()


def test_only_the_getting_of_an_item_is_waited_for() -> None:
    with stopwatch.running() as watch:
        for item in waiting("waiting", iter([1, 2])):
            assert watch.switch(REST) == REST, item
    assert set(watch.seconds()) == {"waiting", REST}


def test_nobody_measures() -> None:
    with phase("unseen"):
        assert list(waiting("unseen", iter([1, 2]))) == [1, 2]


def test_a_process_has_an_age() -> None:
    assert 0 < stopwatch.age() <= stopwatch.age() + 0.02
