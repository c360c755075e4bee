"""When shards hear of a better threshold."""

from __future__ import annotations

import pytest

from masksearch_ray.runtime.herald import Herald


@pytest.mark.parametrize("shards", [1, 2, 3, 100, 10_000])
def test_few_messages_a_shard_and_news_for_the_last(shards: int) -> None:
    herald = Herald(shards)
    messages, heard = 0, []
    for finished in range(1, shards + 1):
        left = shards - finished
        if herald.due(((1, -finished),), left):
            messages += left
            heard.append(finished)
    assert messages <= 4 * shards
    if shards > 1:
        assert heard[0] == 1
        assert heard[-1] == shards - 1


def test_nothing_new_is_not_told() -> None:
    herald = Herald(8)
    assert not herald.due(None, 7)
    assert herald.due(((1, 5),), 7)
    assert not herald.due(((1, 5),), 4)
    assert herald.due(((1, 4),), 3)
