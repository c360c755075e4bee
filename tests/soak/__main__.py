"""Random queries and changes by several clients, while workers die and storage fails.

    python -m tests.soak --minutes 30 --storage s3 --runtime ray [--seed N]

Every answer is held against the oracle, to the last bit, for the version that the client saw. The
exit status is 1 if one differs, if anything fails otherwise than by one of the project's errors, if
something hangs or runs out of time, or if nothing was answered or some kind of change never made.
The S3 server is a real one, which scripts/s3-server starts; a proxy before it strikes requests at
random. A collection lives for a while, then the next begins with another seed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import masksearch_ray as ms
from masksearch_ray.errors import FailedError, WorkerError
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.types import Runtime
from tests import s3_server
from tests.faults.proxy import FaultProxy
from tests.soak.client import Client, Totals
from tests.soak.fate import chance_of, kill_a_worker
from tests.soak.life import Life

LIFE = 60.0  # seconds that a collection lives
# A busy machine's only node is not taken for dead.
PATIENT = {
    "RAY_health_check_timeout_ms": "60000",
    "RAY_health_check_failure_threshold": "10",
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_agent_register_timeout_ms": "300000",
}
PATIENCE = 300.0  # seconds after which a client that does nothing hangs


class Soak:
    """Clients, and what befalls them."""

    def __init__(self, args: argparse.Namespace, base: str, options: dict[str, Any]) -> None:
        self.seed, self.base, self.options = args.seed, base, options
        self.totals, self.over = Totals(), threading.Event()
        self.runtime: Runtime = LocalRuntime(2)
        self.kills = args.runtime == "ray" and not args.no_kills
        if args.runtime == "ray":
            from masksearch_ray.runtime.ray import RayRuntime

            self.runtime = RayRuntime(workers=2)
        self.life = self._next(0)

    def _next(self, number: int) -> Life:
        seed = self.seed + number
        while True:
            with contextlib.suppress(FailedError):
                url = f"{self.base}/{seed}-{time.monotonic_ns()}"
                life = Life(url, seed, self.options)
                self.totals.add("collections")
                return life

    def _start(self) -> None:
        """Start the workers; a busy machine may need more than one try."""
        for left in reversed(range(3)):
            try:
                with ms.open(self.life.url, self.runtime, storage_options=self.options) as opened:
                    opened.sql("SELECT mask_id FROM masks")
                return
            except WorkerError:
                if not left:
                    raise

    def run(self, minutes: float, clients: int) -> None:
        self._start()
        began = time.monotonic()
        crowd = [Client(self, number) for number in range(clients)]
        for client in crowd:
            client.thread.start()
        rng, told, born, kill = random.Random(f"{self.seed}-fate"), 1, began, 3
        while time.monotonic() < began + 60 * minutes:
            time.sleep(0.25)
            now = time.monotonic()
            if now > born + LIFE or self.life.given_up.is_set():
                self.life, born = self._next(self.totals.counts["collections"]), now
            if self.kills and self.totals.counts["queries"] >= kill:
                self.totals.add("kills", kill_a_worker(rng))
                # By answers, not by time: what kills faster than workers start stops everything.
                kill = self.totals.counts["queries"] + rng.randint(1, 12)
            if now > began + 60 * told:
                print(f"minute {told}: {self.totals.text()}", flush=True)
                told += 1
            self._watch(crowd)
        self.over.set()
        for client in crowd:
            client.thread.join(PATIENCE)
        self._watch(crowd)

    def _watch(self, crowd: list[Client]) -> None:
        for client in crowd:
            if time.monotonic() > client.alive + PATIENCE:
                frame = sys._current_frames().get(client.thread.ident or 0)
                told = "".join(traceback.format_stack(frame))
                client.alive = float("inf")
                self.totals.wrong("hangs", f"client {client.number} hangs:\n{told}")


@contextlib.contextmanager
def storage_of(args: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any], FaultProxy | None]]:
    """Where collections are made, how it is reached, and the proxy that strikes."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        if args.storage == "local":
            yield folder, {}, None
            return
        server = s3_server.start(f"{folder}/server")
        os.environ.update(server.environment)
        proxy = FaultProxy(server.endpoint)
        try:
            if args.faults:
                proxy.begin(chance=chance_of(args.seed, args.faults))
            patience = {"read_timeout": 3.0, "connect_timeout": 3.0}
            options = server.options(endpoint_url=proxy.url, config_kwargs=patience)
            yield f"s3://{server.make_bucket()}", options, proxy
        finally:
            proxy.close()
            s3_server.run("stop", "--dir", f"{folder}/server")


def parse() -> argparse.Namespace:
    """Read the command line."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__, formatter_class=shape
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--storage", choices=["s3", "local"], default="s3")
    parser.add_argument("--runtime", choices=["ray", "local"], default="ray")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--faults", type=float, default=0.02, metavar="SHARE",
        help="of requests to S3 that are struck (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--no-kills", action="store_true", help="let workers live")
    return parser.parse_args()


def main() -> int:
    """Run; the exit status says whether all was right."""
    args = parse()
    os.environ.pop("RAY_ADDRESS", None)
    os.environ.update(PATIENT)
    with storage_of(args) as (base, options, proxy):
        soak = Soak(args, base, options)
        try:
            soak.run(args.minutes, args.clients)
        finally:
            soak.over.set()
            soak.runtime.close()
        if proxy is not None:
            soak.totals.add("requests", len(proxy.seen))
            soak.totals.add("requests struck", len(proxy.struck))
    problems = soak.totals.verdict()
    for text in problems[:5]:
        print(text, file=sys.stderr)
    print(
        f"{args.minutes:g} minutes, {args.storage} storage, {args.runtime} runtime, "
        f"{args.clients} clients, seed {args.seed}: {soak.totals.text()}; "
        f"{soak.totals.counts['differences']} differences from the oracle"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
