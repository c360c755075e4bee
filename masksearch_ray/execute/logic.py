"""Three-valued logic (Kleene) on what truth values may be."""

from __future__ import annotations

from collections.abc import Sequence

from masksearch_ray.execute.interval import Interval

__all__ = ["all_of", "any_of", "is_null", "negation"]


def all_of(parts: Sequence[Interval]) -> Interval:
    """Evaluate ``a AND b AND …``: false if any is, else NULL if any is."""
    true, false = parts[0].can_true, parts[0].can_false
    null = parts[0].can_null
    for part in parts[1:]:
        null = (null & (part.can_true | part.can_null)) | (part.can_null & true)
        true, false = true & part.can_true, false | part.can_false
    return Interval.from_sets(true, false, null)


def any_of(parts: Sequence[Interval]) -> Interval:
    """Evaluate ``a OR b OR …``: true if any is, else NULL if any is."""
    return negation(all_of([negation(part) for part in parts]))


def negation(part: Interval) -> Interval:
    """Evaluate ``NOT a``."""
    return Interval.from_sets(part.can_false, part.can_true, part.can_null)


def is_null(part: Interval) -> Interval:
    """Evaluate ``a IS NULL``, never NULL itself."""
    never = part.maybe_null & False
    return Interval("bool", part.surely_null, part.maybe_null, never, never)
