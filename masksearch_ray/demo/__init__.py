"""The demonstration: what a model learnt wrongly, found by SQL over its saliency maps."""

from __future__ import annotations

from .data import Mark
from .finding import Finding
from .questions import Question
from .run import Ending, Step, run_demo

__all__ = ["Ending", "Finding", "Mark", "Question", "Step", "run_demo"]
