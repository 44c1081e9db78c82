from __future__ import annotations

from collections.abc import Callable

import pytest

from bmcli.modalities.image._window import windowed


@pytest.mark.parametrize("count", [0, 1, 3, 10])
def test_answers_come_in_order_and_tasks_are_begun_a_few_ahead(count: int) -> None:
    begun: list[int] = []

    def begin(task: int) -> Callable[[], int]:
        begun.append(task)
        return lambda: task * 2

    answers = []
    for answer in windowed(begin, iter(range(count)), 3):
        answers.append(answer)
        assert len(begun) == min(count, len(answers) + 2)
    assert answers == [task * 2 for task in range(count)]
