"""On what terms workers are had: what they may take, how long they stay and are waited for."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Patience", "Terms"]


@dataclass(frozen=True)
class Patience:
    """How long workers are waited for, in seconds; a query's time limit ends any wait before.

    Parameters
    ----------
    start : float
        For those that have not started, while others have: late ones join when they come.
    none : float
        For the first to start; a cluster may have to add a node for it.
    lost : float
        For one to come back when none is left.
    silence : float
        For a sign of life of one that works; then its shards are given to others.
    """

    start: float = 60.0
    none: float = 600.0
    lost: float = 60.0
    silence: float = 60.0


@dataclass(frozen=True)
class Terms:
    """What is asked of Ray for each worker.

    Parameters
    ----------
    hold : bool
        Whether a worker holds a CPU as long as it lives, which makes a cluster grow; on a private
        instance it does not, so that sessions left open do not keep others from starting.
    memory : int or None
        Bytes of memory that a worker is to have, of which it keeps half for what it has read;
        None: no demand.
    budget : int or None
        Bytes that a worker may keep; None: as its machine allows.
    keep_alive : float or None
        Seconds that workers stay without use, also when this process has ended; None: they end
        with the runtime.
    patience : Patience
    """

    hold: bool = False
    memory: int | None = None
    budget: int | None = None
    keep_alive: float | None = None
    patience: Patience = field(default_factory=Patience)
