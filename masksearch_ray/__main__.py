"""``python -m masksearch_ray`` is the command ``masksearch``."""

from __future__ import annotations

from masksearch_ray.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
