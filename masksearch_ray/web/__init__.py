"""The page: find, look and understand without writing SQL; `masksearch serve` starts it."""

from __future__ import annotations

from masksearch_ray.web.app import make_app, make_token, serve
from masksearch_ray.web.options import ServeOptions, is_loopback
from masksearch_ray.web.site import Site

__all__ = ["ServeOptions", "Site", "is_loopback", "make_app", "make_token", "serve"]
