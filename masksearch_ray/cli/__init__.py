"""The command line: parse, call the Python API, render.

Modules import what they need inside their functions, so that ``masksearch --help`` answers at once.
"""

from __future__ import annotations

from masksearch_ray.cli.entry import main

__all__ = ["main"]
