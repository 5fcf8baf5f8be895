"""Storages for tests: starts and restarts what they need on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings

import optuna
from optuna.storages import BaseStorage
from optuna.storages import GrpcStorageProxy
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileSymlinkLock
import sqlalchemy

from optuna_popnas.sampler.journal import SoundJournalFile


KINDS = ("sqlite", "journal", "postgresql", "mariadb", "grpc")


FILES = ("sqlite", "journal")  # of these storages, a full disk is tried


class MissingService(RuntimeError):
    """A program that the storage needs is not there and cannot be installed."""


def open_storage(address: str) -> BaseStorage:
    """Open the storage that a :class:`Service` gave the address of."""
    kind, _, rest = address.partition(" ")
    if kind == "journal":
        # A worker killed inside the lock blocks all others for the grace period.
        lock = JournalFileSymlinkLock(rest, grace_period=4)
        return JournalStorage(SoundJournalFile(rest, lock_obj=lock))
    if kind == "grpc":
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = GrpcStorageProxy(host="127.0.0.1", port=int(rest))
        storage.wait_server_ready(timeout=30)
        return storage
    return optuna.storages.get_storage(rest)


@contextmanager
def small_disk(parent: str, megabytes: int) -> Iterator[Path]:
    """Make a folder, with a disk of its own where that is allowed, so that it can be full."""
    with tempfile.TemporaryDirectory(dir=parent) as name:
        size = f"size={megabytes}m"
        mounted = (
            os.geteuid() == 0
            and not subprocess.run(
                ["mount", "-t", "tmpfs", "-o", size, "tmpfs", name], capture_output=True
            ).returncode
        )
        try:
            yield Path(name)
        finally:
            if mounted:
                subprocess.run(["umount", "-l", name], check=False)


class Service:
    """A storage that runs as long as this object is open.

    Args:
        kind: One of :data:`KINDS`.
        folder: Where its files go.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.restarts = 0
        self._close: list[Callable[[], object]] = []
        if kind == "sqlite":
            self.address = f"sqlite sqlite:///{folder}/study.db"
        elif kind == "journal":
            self.address = f"journal {folder}/study.log"
        elif kind == "mariadb":
            self._start_mariadb()
        else:
            self._start_postgresql()
            if kind == "grpc":
                self._port = free_port()
                self._start_proxy()
                self._close.insert(0, lambda: self._proxy.kill())
                self.address = f"grpc {self._port}"

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        for close in self._close:
            close()

    def restart(self) -> None:
        """Make the storage fail for a moment."""
        self.restarts += 1
        if self.kind == "sqlite":
            # No server to restart: keep everyone out, as a backup program would.
            connection = sqlite3.connect(f"{self.folder}/study.db", timeout=30)
            connection.execute("BEGIN EXCLUSIVE")
            time.sleep(1.0)
            connection.rollback()
            connection.close()
        elif self.kind == "journal":
            os.sync()  # nothing runs that could be restarted
        elif self.kind == "mariadb":
            self._mariadb.terminate()
            self._mariadb.wait()
            self._run_mariadb()
        else:
            if self.kind == "grpc":
                self._proxy.kill()
                self._proxy.wait()
            self._control("restart", "-m", "fast")
            if self.kind == "grpc":
                self._start_proxy()

    @property
    def url(self) -> str:
        """The address as the command line takes it."""
        kind, _, rest = self.address.partition(" ")
        return {"journal": f"journal:///{rest}", "grpc": f"grpc://127.0.0.1:{rest}"}.get(
            kind, rest
        )

    def freeze(self, seconds: float) -> None:
        """Stop the storage's processes for a while."""
        if self.kind in ("sqlite", "journal"):
            self.restart()
            return
        pids = server_processes(self.folder) if self.kind != "grpc" else [self._proxy.pid]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in pids:
                os.kill(pid, number)
            if number == signal.SIGSTOP:
                time.sleep(seconds)

    def fill_disk(self, seconds: float) -> None:
        """Leave no space for the storage's files, if they have a small disk of their own."""
        filler = self.folder / "filler"
        try:
            with filler.open("wb") as file:
                while True:
                    file.write(b"\0" * 4096)
                    file.flush()
        except OSError:
            time.sleep(seconds)
        filler.unlink()

    def _start_mariadb(self) -> None:
        if not shutil.which("mariadbd"):
            raise MissingService(
                "MariaDB is not installed. On Debian: apt-get install mariadb-server."
            )
        self._data = self.folder / "mariadb"
        self._port = free_port()
        subprocess.run(
            ["mariadb-install-db", f"--datadir={self._data}",
             "--auth-root-authentication-method=normal", "--skip-test-db", *self._as_root()],
            check=True,
            capture_output=True,
        )  # fmt: skip
        self._run_mariadb()
        self._close.append(lambda: (self._mariadb.kill(), self._mariadb.wait()))
        with sqlalchemy.create_engine(
            f"mysql+pymysql://root@127.0.0.1:{self._port}"
        ).connect() as c:
            c.execute(sqlalchemy.text("CREATE DATABASE popnas"))
        self.address = f"mariadb mysql+pymysql://root@127.0.0.1:{self._port}/popnas"

    def _as_root(self) -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []

    def _run_mariadb(self) -> None:
        self._mariadb = subprocess.Popen(
            ["mariadbd", "--no-defaults", f"--datadir={self._data}", f"--port={self._port}",
             f"--socket={self._data}/socket", "--bind-address=127.0.0.1", "--max-connections=200",
             "--innodb-flush-log-at-trx-commit=0", *self._as_root()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        engine = sqlalchemy.create_engine(f"mysql+pymysql://root@127.0.0.1:{self._port}")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                engine.connect().close()
                return
            except sqlalchemy.exc.OperationalError:
                time.sleep(0.1)
        raise RuntimeError("MariaDB did not start.")

    def _start_postgresql(self) -> None:
        programs = postgresql_programs()
        self._postgresql = self.folder / "postgresql"
        self._postgresql.mkdir()
        self._run_as_postgres = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self._postgresql, "postgres")
            # Its parents must let the user postgres pass.
            for parent in [self.folder, *self.folder.parents]:
                if parent.stat().st_uid == 0 and parent != Path("/"):
                    parent.chmod(parent.stat().st_mode | 0o011)
            self._run_as_postgres = ["runuser", "-u", "postgres", "--"]
        self._programs = programs
        data = self._postgresql / "data"
        port = free_port()
        self._call("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        self._options = f"-F -p {port} -k {self._postgresql} -h 127.0.0.1 -c max_connections=200"
        self._control("start")
        self._close.append(lambda: self._control("stop", "-m", "immediate"))
        url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        self.database = url
        self.address = f"postgresql {url}"

    def _control(self, action: str, *more: str) -> None:
        options = ["-o", self._options] if action != "stop" else []
        data, log = self._postgresql / "data", self._postgresql / "log"
        self._call("pg_ctl", action, "-w", "-D", data, "-l", log, *options, *more)

    def _call(self, program: str, *arguments: object) -> None:
        command = [*self._run_as_postgres, str(self._programs / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._postgresql)
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout[-500:]} {done.stderr[-500:]}")

    def _start_proxy(self) -> None:
        command = [sys.executable, __file__, self.database, str(self._port)]
        self._proxy = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        open_storage(f"grpc {self._port}")


def postgresql_programs() -> Path:
    """Return the folder of PostgreSQL's programs; install them on Debian if need be."""
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not folders and shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-q"], ["install", "-y", "-q", "postgresql"]):
            subprocess.run(
                ["apt-get", *command], env=environment, stdout=subprocess.DEVNULL, check=False
            )
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not folders:
        raise MissingService(
            "PostgreSQL is not installed. On Debian: apt-get install postgresql (as root)."
        )
    return folders[-1].parent


def server_processes(folder: Path) -> list[int]:
    """Return the processes that run from a folder's database."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode()
            inside = str(entry / "cwd") and str((entry / "cwd").resolve()).startswith(str(folder))
        except OSError:
            continue
        if inside or f"{folder}/mariadb" in command:
            found.append(int(entry.name))
    return found


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _serve(database: str, port: int) -> None:
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    storage = optuna.storages.get_storage(database)
    optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.1", port=port)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
