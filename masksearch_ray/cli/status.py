"""``status``: what a cluster's nodes and workers do."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from time import sleep
from typing import TYPE_CHECKING, Annotated

import typer

from masksearch_ray.cli.help import add_command, option
from masksearch_ray.cli.output import say, show_table
from masksearch_ray.model.text import age, count, percent, shortened, size

if TYPE_CHECKING:
    from masksearch_ray.runtime.status import ClusterStatus, WorkerStatus
    from masksearch_ray.runtime.types import WorkerReport

__all__ = ["add_to", "show"]

_EVERY = 2.0  # seconds
_SHARDS = 40  # shown in a table
_TEXT = 60  # characters of a query

Url = Annotated[
    str | None,
    typer.Argument(
        metavar="COLLECTION",
        help="Only workers that hold shards of this collection.",
        show_default=False,
    ),
]
Address = Annotated[
    str | None,
    option(
        metavar="ADDRESS",
        help="Ray cluster; else RAY_ADDRESS, else the one that runs on this machine.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="The same as a JSON object.")]
Watch = Annotated[
    bool, typer.Option("--watch", help=f"Anew every {_EVERY:g} seconds, until Ctrl-C.")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        status,
        "Look after",
        "masksearch status",
        "masksearch status s3://bucket/maps --address 10.0.0.5:6379 --watch",
        "masksearch status --json | jq '.workers[].report.queries'",
    )


def status(
    collection: Url = None,
    address: Address = None,
    as_json: AsJson = False,
    watch: Watch = False,
) -> None:
    """Say what a Ray cluster's nodes and workers do: shards, memory, caches, queries running.

    Workers are found whoever started them, and nothing is started. It has to run on a node of the
    cluster.
    """
    if not watch:
        _once(collection, address, as_json)
        return
    from masksearch_ray.session.status import connected

    try:
        with connected(address):
            while True:
                if sys.stdout.isatty() and not as_json:
                    typer.echo("\x1b[H\x1b[2J", nl=False)
                _once(collection, address, as_json, indent=None)
                sys.stdout.flush()
                sleep(_EVERY)
    except KeyboardInterrupt:
        return  # the way to end it


def _once(
    collection: str | None, address: str | None, as_json: bool, indent: int | None = 2
) -> None:
    import masksearch_ray as ms

    found = ms.cluster_status(address, collection)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=indent))
    else:
        show(found, collection)


def show(status: ClusterStatus, collection: str | None = None) -> None:
    """Print a cluster as tables."""
    cpus = sum(node.cpus for node in status.nodes)
    free = sum(node.cpus_free for node in status.nodes)
    typer.echo(
        f"Ray cluster at {status.address}: {count(len(status.nodes), 'node')}, "
        f"{free:g} of {cpus:g} CPUs free, {count(len(status.workers), 'worker')} of masksearch\n"
    )
    show_table(
        ("node", "CPUs free", "memory free", "workers"),
        [
            (
                node.host,
                f"{node.cpus_free:g} of {node.cpus:g}",
                f"{size(node.memory_free)} of {size(node.memory)}",
                node.workers,
            )
            for node in status.nodes
        ],
        right=(1, 2),
    )
    typer.echo("")
    if not status.workers:
        typer.echo(_nobody(collection))
        return
    _show_workers(status.workers)
    _show_caches(status.workers)
    _show_shards(status.workers)
    _show_queries(status.workers)


def _nobody(collection: str | None) -> str:
    which = "" if collection is None else f" that hold shards of {collection}"
    name = collection or "COLLECTION"
    return (
        f"No workers{which}. Who asks with --runtime ray starts them:\n"
        f'  masksearch sql {name} "SELECT COUNT(*) FROM masks" --runtime ray'
    )


def _show_workers(workers: tuple[WorkerStatus, ...]) -> None:
    columns = ("worker", "node", "pid", "up", "restarts", "memory", "doing")
    show_table(columns, [_worker(worker) for worker in workers], right=(3, 5), whole=(0, 1, 2))


def _show_caches(workers: tuple[WorkerStatus, ...]) -> None:
    rows = [
        (
            _short(worker.name),
            size(report.cache_bytes),
            count(report.cache_hits),
            count(report.cache_misses),
            percent(report.cache_hits, report.cache_hits + report.cache_misses),
        )
        for worker in workers
        if (report := worker.report) is not None and report.cache_hits + report.cache_misses
    ]
    if rows:
        typer.echo("")
        show_table(("worker", "disk cache", "hits", "misses", "share"), rows, right=(1, 2, 3, 4))


def _worker(worker: WorkerStatus) -> tuple[object, ...]:
    name = _short(worker.name)
    report = worker.report
    if report is None:
        return (name, "", "", "", worker.restarts, "", "does not answer")
    return (
        name,
        report.host,
        str(report.pid),
        age(report.uptime),
        worker.restarts,
        f"{size(report.memory_kept)}/{size(report.memory_budget)}",
        _doing(report),
    )


def _doing(report: WorkerReport) -> str:
    if report.queries:
        return f"{count(len(report.queries))} running"
    ends = "" if report.expires is None else f", ends in {age(report.expires)}"
    return f"idle {age(report.idle)}{ends}"


def _show_shards(workers: tuple[WorkerStatus, ...]) -> None:
    rows = [
        (shard.label, shard.version, count(shard.rows), _short(worker.name))
        for worker in workers
        if worker.report is not None
        for shard in worker.report.shards
    ]
    if rows:
        typer.echo("")
        shown = rows[:_SHARDS]
        show_table(("shard", "version", "rows", "worker"), shown, right=(2,), whole=(3,))
        if len(shown) < len(rows):
            say(f"… and {count(len(rows) - len(shown), 'more shard')}: --json shows all")


def _show_queries(workers: tuple[WorkerStatus, ...]) -> None:
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for worker in workers:
        for query in worker.report.queries if worker.report is not None else ():
            seconds[query.id, query.text].append(query.seconds)
    if seconds:
        typer.echo("")
        show_table(
            ("query", "for", "workers", "text"),
            [
                (id[:8], age(max(spent)), len(spent), shortened(text, _TEXT))
                for (id, text), spent in seconds.items()
            ],
            right=(1,),
            whole=(0,),
        )


def _short(name: str) -> str:
    """``1 of 5acbf33d``, or ``1, kept`` of a worker that is kept alive for all sessions."""
    number, _, session = name.removeprefix("masksearch worker ").partition(" of session ")
    return f"{number}, kept" if " " in session else f"{number} of {session}"
