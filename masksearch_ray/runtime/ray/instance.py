"""Ray itself: found or started once a process, and shut down by whoever started it."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from masksearch_ray.errors import WorkerError

__all__ = ["attach", "detach"]

_OBJECT_STORE = 200 * 1024**2  # partials are small; pixels never travel
_LONGEST_FOLDER = 40  # Ray's sockets lie some 60 characters below, and their paths end at 107

# Read when Ray is imported and started: no reports sent, loopback only, no token written at home.
_PRIVATE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_USAGE_DISABLED": "1",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

_lock = threading.RLock()
_users = 0  # runtimes that rely on what was started here
_folder: str | None = None


def attach(address: str | None) -> bool:
    """Make sure that this process is connected to Ray.

    Parameters
    ----------
    address : str, optional
        Of a cluster; by default that in ``RAY_ADDRESS``, else a private instance is started.

    Returns
    -------
    bool
        Whether `detach` has to be called: False where somebody else initialised Ray.

    Raises
    ------
    WorkerError
        If the cluster cannot be reached, or Ray does not start.
    """
    global _users
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    with _lock, _environment(_PRIVATE if address == "local" else {}):
        import ray  # here, because Ray reads the environment when it is imported

        if not ray.is_initialized():
            _users = 0  # somebody shut down what was started here
            _start(address)
        elif not _users:
            return False
        _users += 1
        return True


def detach() -> None:
    """Shut down what `attach` started, once nobody relies on it."""
    global _users, _folder
    with _lock:
        _users = max(0, _users - 1)
        if _users:
            return
        import ray

        ray.shutdown()
        if _folder is not None:
            shutil.rmtree(_folder, ignore_errors=True)
            _folder = None


def _start(address: str) -> None:
    global _folder
    import ray

    try:
        if address != "local":
            ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
            return
        _folder = tempfile.mkdtemp(prefix="masksearch-", dir=_short_folder())
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE,
            log_to_driver=False,
            logging_level=logging.WARNING,
            _temp_dir=_folder,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        what = "did not start" if address == "local" else f"at {address} cannot be reached"
        raise WorkerError(f"Ray {what}: {str(error).splitlines()[0]}") from error


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
