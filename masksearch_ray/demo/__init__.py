"""The demonstration: what a model learnt wrongly, found by SQL over its saliency maps."""

from __future__ import annotations

from masksearch_ray.demo.data import Mark
from masksearch_ray.demo.finding import Finding
from masksearch_ray.demo.questions import Question
from masksearch_ray.demo.run import Ending, Step, run_demo

__all__ = ["Ending", "Finding", "Mark", "Question", "Step", "run_demo"]
