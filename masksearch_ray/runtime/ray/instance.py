"""Ray itself: found or started once a process, and shut down by whoever started it."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from masksearch_ray.errors import InputError, WorkerError

__all__ = ["Instance", "attach", "current_session", "detach", "started_here"]

_OBJECT_STORE = 200 * 1024**2  # partials are small; pixels never travel
_LONGEST_FOLDER = 40  # Ray's sockets lie some 60 characters below, and their paths end at 107
_KNOCK = 10.0  # seconds that a cluster may take to accept a connection

# Read when Ray is imported and started: no reports sent, loopback only, no token written at home.
_PRIVATE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_USAGE_DISABLED": "1",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

_lock = threading.RLock()


@dataclass(eq=False)
class Instance:
    """A connection to Ray that was made here.

    Parameters
    ----------
    session : str
        See `current_session`.
    folder : str or None
        Where a private instance keeps its files.
    users : int
        Runtimes that rely on it.
    """

    session: str
    folder: str | None
    users: int = 0


_made: Instance | None = None


def current_session() -> str | None:
    """Name of what this process is connected to; None where it is not."""
    import ray

    if not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    return f"{context.gcs_address} {context.get_job_id()}"


def started_here() -> bool:
    """Whether Ray runs on this machine only, for this process, which started it."""
    from ray._private import worker  # nothing public tells

    node = worker._global_node
    return node is not None and bool(node.head)


def attach(address: str | None) -> Instance | None:
    """Make sure that this process is connected to Ray.

    Parameters
    ----------
    address : str, optional
        Of a cluster; by default that in ``RAY_ADDRESS``, else a private instance is started.

    Returns
    -------
    Instance or None
        To be given to `detach`; None where somebody else initialised Ray.

    Raises
    ------
    InputError
        If that is no address, or Ray is initialised with another one in this process.
    WorkerError
        If the cluster cannot be reached, or Ray does not start.
    """
    global _made
    wanted = address
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address.startswith("ray://"):
        raise InputError(
            f"{address}: Ray's client protocol cannot stream answers; run this on the cluster "
            "(ray job submit), or give the address of its head, HOST:6379"
        )
    # Around the first import of Ray, too, which reads some of it.
    with _lock, _environment(_PRIVATE if address == "local" else {}):
        session = current_session()
        if session is None:
            _made = _start(address)
        else:
            _check_same(wanted, session)
        if _made is None or _made.session != current_session():
            return None
        _made.users += 1
        return _made


def detach(instance: Instance) -> None:
    """Shut down what `attach` started, once nobody relies on it."""
    with _lock:
        instance.users -= 1
        if instance.users:
            return
        if current_session() == instance.session:
            import ray

            ray.shutdown()
        if instance.folder is not None:
            shutil.rmtree(instance.folder, ignore_errors=True)


def _check_same(wanted: str | None, session: str) -> None:
    """Refuse an address that is not the one that this process is connected to."""
    connected = session.partition(" ")[0]
    if wanted in (None, "auto"):
        return
    if wanted == "local":
        if started_here():
            return
    elif _resolved(str(wanted)) == _resolved(connected):
        return
    raise InputError(
        f"{wanted}: this process is connected to Ray at {connected} already; "
        "leave the address out, or call ray.shutdown() first"
    )


def _resolved(address: str) -> tuple[str, str]:
    host, _, port = address.rpartition(":")
    try:
        return socket.gethostbyname(host.strip("[]")), port
    except OSError:
        return host, port


def _start(address: str) -> Instance:
    folder = None
    try:
        if address == "local":
            folder = tempfile.mkdtemp(prefix="masksearch-", dir=_short_folder())
            _init(
                address,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE,
                _temp_dir=folder,
            )
        else:
            _knock(_found(address))
            _init(address)
    except Exception as error:  # Ray raises bare ones where a machine is too busy
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        reason = str(error).splitlines()[0]
        if address == "local":
            raise WorkerError(f"Ray did not start: {reason}") from error
        if isinstance(error, ValueError):
            raise InputError(f"{address}: no address of a Ray cluster: {reason}") from error
        raise WorkerError(f"the Ray cluster at {address} cannot be reached: {reason}") from error
    session = current_session()
    assert session is not None
    return Instance(session, folder)


def _init(address: str, **options: Any) -> None:
    import ray

    ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING, **options)


def _found(address: str) -> str:
    """Where "auto" leads to: maybe to a cluster that is gone, as its file stays."""
    if address != "auto":
        return address
    from ray._private import services

    found: str | None = services.canonicalize_bootstrap_address("auto")
    if found is None:
        raise ConnectionError("no cluster was started on this machine")
    return found


def _knock(address: str) -> None:
    """See whether anybody listens there at all: Ray itself tries for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK).close()


def _short_folder() -> str | None:
    folder = tempfile.gettempdir()
    return folder if len(folder) <= _LONGEST_FOLDER else "/tmp"


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set what the user has not set, for a while."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
