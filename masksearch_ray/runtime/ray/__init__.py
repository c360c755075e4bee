"""Shards on Ray actors; nothing else imports Ray, and nothing does before a pool is asked for."""

from __future__ import annotations

from masksearch_ray.runtime.ray.runtime import RayRuntime

__all__ = ["RayRuntime"]
