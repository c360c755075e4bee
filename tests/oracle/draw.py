"""One interface to chance, so that Hypothesis and a plain seed drive the same generators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

T = TypeVar("T")


class Draw(ABC):
    """A source of choices; the first of several is the simplest, to which a failure shrinks."""

    @abstractmethod
    def integer(self, low: int, high: int) -> int:
        """Draw from ``low`` to ``high``, both included."""

    def choice(self, options: Sequence[T]) -> T:
        """Draw one of the options."""
        return options[self.integer(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        """Draw True in so many of a hundred cases."""
        return self.integer(0, 99) >= 100 - percent

    def array_generator(self) -> np.random.Generator:
        """Draw a generator for what is too much to draw number by number."""
        return np.random.default_rng(self.integer(0, 2**31 - 1))


class NumpyDraw(Draw):
    """Choices of a seed."""

    def __init__(self, seed: int | Sequence[int]) -> None:
        self.random = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high, endpoint=True))


class HypothesisDraw(Draw):
    """Choices of Hypothesis, which it can shrink."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))
