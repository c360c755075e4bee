"""Run a real S3 server, Ceph's RADOS Gateway, on loopback, with its objects in memory.

    eval "$(scripts/s3-server start)"    # start it, if it does not run, and export how to reach it
    scripts/s3-server restart            # kill the gateway and start it again: objects stay
    scripts/s3-server status             # exit status 0 if it answers
    scripts/s3-server admin -- user list # radosgw-admin on it
    scripts/s3-server stop               # end it and forget its objects

Several may run side by side, each in its own --dir. Only processes whose ids were written down
at the start are ever ended.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import hashlib
import hmac
import http.client
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

PROGRAMS = {
    "ceph-mon": "ceph-mon",
    "ceph-osd": "ceph-osd",
    "radosgw": "radosgw",
    "radosgw-admin": "radosgw",
    "ceph": "ceph-common",
}
DEFAULT_DIR = Path(tempfile.gettempdir()) / f"masksearch-s3-{os.getuid()}"
REGION = "us-east-1"
BUCKET = "masksearch"
USER = "masksearch"
PATIENCE = 120.0  # seconds until a daemon that does not come up is given up
CONFIG = Path(__file__).with_suffix(".conf")


class ServerError(Exception):
    """The server could not be started."""


class Server:
    """One server, whose state lies in a folder.

    Parameters
    ----------
    folder : Path
        Made at the start, removed at the stop; only its owner may look into it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "ceph.conf"
        self.settings = folder / "env"

    def start(self, port: int, memory: int) -> None:
        """Start what does not run yet."""
        if self.is_up():
            return
        self._end_all()
        install()
        say("starting Ceph (monitor, one OSD in memory, gateway)")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True)
        try:
            self._make_cluster(port or free_port(), memory)
        except BaseException:
            self._end_all()
            raise

    def restart(self, down: float) -> None:
        """Kill the gateway alone and start it again after `down` seconds."""
        if not self.settings.exists():
            raise ServerError(f"no server was started in {self.folder}")
        self._end("radosgw")
        time.sleep(down)
        self._start_gateway()

    def stop(self) -> None:
        """End everything and remove the state."""
        self._end_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_up(self) -> bool:
        """Tell whether the gateway answers."""
        return self.settings.exists() and self._answers()

    def command(self, program: str, *arguments: str) -> list[str]:
        """Command line of one of Ceph's programs."""
        return [program, "--conf", str(self.config), *arguments]

    def run(
        self, program: str, *arguments: str, fine: tuple[int, ...] = (0,), tries: int = 1
    ) -> str:
        """Run a program of Ceph's, again where it crashes, as radosgw-admin may after its work."""
        for _ in range(tries):
            command = self.command(program, *arguments)
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            if done.returncode in fine:
                return done.stdout
            if abs(done.returncode) % 128 not in (signal.SIGABRT, signal.SIGSEGV):
                break
        raise ServerError(f"{program} {arguments[0]} failed: {done.stderr.strip()[-2000:]}")

    # ------------------------------------------------------------------------------- its parts

    def _make_cluster(self, port: int, memory: int) -> None:
        fsid, mon_port = str(uuid.uuid4()), free_port()
        self.config.write_text(
            CONFIG.read_text().format(
                fsid=fsid,
                mon_port=mon_port,
                port=port,
                dir=self.folder,
                bytes=memory * 1024**3,
            )
        )
        self._make_keyring()
        for name in ("mon", "osd", "rgw"):
            (self.folder / name).mkdir()
        monmap = str(self.folder / "monmap")
        address = f"[v1:127.0.0.1:{mon_port}/0]"
        quietly("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, monmap)
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._spawn("ceph-mon", "-f", "-i", "a")
        osd = str(uuid.uuid4())
        self._wait("ceph-mon", lambda: self._ceph("osd", "new", osd, "0"))
        self.run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", osd)
        self._spawn("ceph-osd", "-f", "-i", "0")
        self._wait("ceph-osd", lambda: "1 up" in self.run("ceph", "osd", "stat"))
        users = self._make_users()
        self._start_gateway(port)
        self._make_bucket(port, users)
        self._write_settings(port, users)

    def _make_keyring(self) -> None:
        keyring = str(self.folder / "keyring")
        everything = [word for part in ("mon", "osd") for word in ("--cap", part, "allow *")]
        quietly("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.")
        for name in ("client.admin", "client.rgw", "osd.0"):
            quietly("ceph-authtool", keyring, "--gen-key", "-n", name, *everything)

    def _ceph(self, *arguments: str) -> bool:
        try:
            self.run("ceph", "--connect-timeout", "5", *arguments)
        except (ServerError, subprocess.TimeoutExpired):
            return False
        return True

    def _make_users(self) -> dict[str, str]:
        users = {}
        for name in ("", "READER_"):
            users[f"{name}KEY"] = secrets.token_hex(10).upper()
            users[f"{name}SECRET"] = secrets.token_urlsafe(30)
        keys = ["--key-type", "s3", "--access-key"]
        self._admin(
            *("user", "create", "--uid", USER, "--display-name", USER),
            *(*keys, users["KEY"], "--secret-key", users["SECRET"]),
        )
        reader = ["--uid", USER, "--subuser", f"{USER}:reader"]
        self._admin("subuser", "create", *reader, "--access", "read")
        self._admin(
            *("key", "create", *reader),
            *(*keys, users["READER_KEY"], "--secret-key", users["READER_SECRET"]),
        )
        return users

    def _admin(self, *arguments: str) -> None:
        self.run("radosgw-admin", *arguments, fine=(0, errno.EEXIST), tries=5)

    def _make_bucket(self, port: int, users: dict[str, str]) -> None:
        """Make the first bucket here: it takes the gateway seconds."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        path, host = f"/{BUCKET}", f"127.0.0.1:{port}"
        connection.request("PUT", path, headers=signed(path, host, users["KEY"], users["SECRET"]))
        answer = connection.getresponse()
        if answer.status != 200:
            raise ServerError(f"making a bucket failed: {answer.status} {answer.read()!r}")
        connection.close()

    def _write_settings(self, port: int, users: dict[str, str]) -> None:
        endpoint = f"http://127.0.0.1:{port}"
        settings = {
            "MASKSEARCH_S3_DIR": str(self.folder),
            "MASKSEARCH_S3_ENDPOINT": endpoint,
            "MASKSEARCH_S3_BUCKET": BUCKET,
            "MASKSEARCH_S3_READER_KEY": users["READER_KEY"],
            "MASKSEARCH_S3_READER_SECRET": users["READER_SECRET"],
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_ACCESS_KEY_ID": users["KEY"],
            "AWS_SECRET_ACCESS_KEY": users["SECRET"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        }
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()]
        self.settings.touch(mode=0o600)
        self.settings.write_text("".join(lines))

    def _start_gateway(self, port: int | None = None) -> None:
        self._spawn("radosgw", "-f", "-n", "client.rgw")
        self._wait("radosgw", lambda: self._answers(port))

    def _answers(self, port: int | None = None) -> bool:
        if port is None:
            line = next(line for line in self.config.read_text().splitlines() if "beast" in line)
            port = int(line.partition("127.0.0.1:")[2].split()[0])
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False

    # --------------------------------------------------------------------------- its processes

    def _spawn(self, program: str, *arguments: str) -> None:
        with open(self.folder / f"{program}.out", "ab") as output:
            process = subprocess.Popen(
                self.command(program, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        (self.folder / f"{program}.pid").write_text(f"{process.pid} {start_time(process.pid)}")

    def _wait(self, program: str, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not ready():
            if not self._pid(program) or time.monotonic() > end:
                raise ServerError(f"{program} did not come up\n{self._last_words()}")
            time.sleep(0.1)

    def _last_words(self) -> str:
        logs = sorted(self.folder.glob("*.out")) + sorted(self.folder.glob("*.log"))
        texts = (log.read_text(errors="replace").splitlines()[-12:] for log in logs)
        return "\n".join(line for lines in texts for line in lines)

    def _pid(self, program: str) -> int | None:
        """Id of the process that was started here, if it still runs."""
        try:
            pid, _, began = (self.folder / f"{program}.pid").read_text().partition(" ")
            return int(pid) if began and began == start_time(int(pid)) else None
        except (OSError, ValueError):
            return None

    def _end(self, program: str) -> None:
        # Killed, not asked: an OSD in memory that is asked to end first writes its objects out.
        pid = self._pid(program)
        if pid:
            os.kill(pid, signal.SIGKILL)
        while self._pid(program):
            time.sleep(0.02)

    def _end_all(self) -> None:
        for program in ("radosgw", "ceph-osd", "ceph-mon"):
            self._end(program)

    def show(self) -> bool:
        """Print the settings that reach it, for a shell; tell whether it answers."""
        if not self.is_up():
            say(f"no server answers in {self.folder}")
            return False
        print(self.settings.read_text(), end="")
        return True

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one command after another work on a folder."""
        name = f"{self.folder.name}-{os.getuid()}.lock"
        with open(Path(tempfile.gettempdir()) / name, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def start_time(pid: int) -> str:
    """When a process began, which tells it from a later one of the same id; "" if it ended."""
    state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


def install() -> None:
    """Install what is missing of Ceph by Debian's package manager."""
    missing = sorted({PROGRAMS[name] for name in PROGRAMS if not shutil.which(name)})
    if not missing:
        return
    say(f"installing {', '.join(missing)}: some 270 MB, two minutes")
    if not shutil.which("apt-get") or os.getuid():
        raise ServerError(
            f"missing: {', '.join(missing)}; install them, or run this as root on Debian or Ubuntu"
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-qy", "--no-install-recommends", *missing]):
        done = subprocess.run(
            ["apt-get", *command], capture_output=True, text=True, env=environment
        )
        if done.returncode:
            raise ServerError(f"apt-get {command[0]} failed: {done.stderr.strip()[-2000:]}")


def signed(path: str, host: str, key: str, secret: str) -> dict[str, str]:
    """Headers of an empty PUT, signed by version 4 of AWS's signature."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    headers = {"host": host, "x-amz-content-sha256": empty, "x-amz-date": now}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"PUT\n{path}\n\n{lines}\n{names}\n{empty}"
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    derived = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    signature = hmac.digest(derived, text.encode(), "sha256").hex()
    credential = f"Credential={key}/{scope},SignedHeaders={names},Signature={signature}"
    return {**headers, "Authorization": f"AWS4-HMAC-SHA256 {credential}"}


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def quietly(*command: str) -> None:
    """Run a command; its output is shown only where it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ServerError(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")


def say(text: str) -> None:
    """Tell the person, not the shell that evaluates what is printed."""
    print(f"==> {text}", file=sys.stderr)


def parse() -> argparse.Namespace:
    """Read the command line."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="scripts/s3-server", description=__doc__, formatter_class=shape
    )
    parser.add_argument("command", choices=["start", "restart", "status", "stop", "admin"])
    parser.add_argument(
        "--dir", type=Path, default=DEFAULT_DIR, help="where its state lies (%(default)s)"
    )
    parser.add_argument("--port", type=int, default=0, help="start: of the gateway (a free one)")
    parser.add_argument(
        "--memory", type=int, default=4, metavar="GIB", help="start: room for objects (%(default)s)"
    )
    parser.add_argument(
        "--down", type=float, default=0, metavar="S", help="restart: seconds before it comes back"
    )
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    args = parser.parse_args(given[:cut])
    args.arguments = given[cut + 1 :]  # those of radosgw-admin
    return args


def main() -> int:
    """Obey the command line; the exit status says whether it was done."""
    args = parse()
    server = Server(args.dir.absolute())
    try:
        with server.locked():
            if args.command == "admin":
                print(server.run("radosgw-admin", *args.arguments), end="")
            if args.command == "start":
                server.start(args.port, args.memory)
            if args.command == "restart":
                server.restart(args.down)
            if args.command == "stop":
                server.stop()
            return 0 if args.command in ("admin", "stop") or server.show() else 1
    except ServerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
