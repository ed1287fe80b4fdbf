"""A Dagster of one's own: a webserver beside a process that has to launch runs where nobody runs one for it.

It is started at the first use and ends with its owner. Where no daemon was seen on the instance lately one is
started with it, since runs would wait in the queue for ever.
"""

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import dagster as dg
import requests

from ml_assets.defs.run_states import is_daemon_seen
from ml_assets.errors import NotReadyError
from ml_assets.settings import child_environment

START_SECONDS = 90
END_SECONDS = 20
HOST = "127.0.0.1"


class OwnDagster:
    """Starts what is needed on the instance at `home`, once; `close` ends it."""

    def __init__(self, instance: dg.DagsterInstance, home: Path) -> None:
        self._instance = instance
        self._home = home
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    @property
    def log(self) -> Path:
        """Where it writes what it does."""
        return self._home / "api-dagster.log"

    def url(self) -> str:
        """The address of its webserver, started if it does not run.

        Raises NotReadyError where it does not come up.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            return self._url

    def close(self) -> None:
        """End it, its daemon and its code server."""
        with self._lock:
            process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> None:
        port = _free_port()
        program = ["dagster_webserver"] if is_daemon_seen(self._instance) else ["dagster", "dev"]
        command = [sys.executable, "-m", *program, "-m", "ml_assets.definitions", "-h", HOST, "-p", str(port)]
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                env=child_environment(DAGSTER_HOME=str(self._home)),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for its owner, who ends it
            )
        self._url = f"http://{HOST}:{port}"
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(requests.RequestException):
                if requests.get(f"{self._url}/server_info", timeout=5).ok:
                    return
            time.sleep(0.2)
        self._process.kill()
        raise NotReadyError(
            f"Dagster's webserver did not come up; {self.log} says why. Nothing was launched."
        )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])
