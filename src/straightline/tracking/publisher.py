"""A process that publishes while the computation runs; if the computation dies, it still closes its MLflow runs."""

import importlib
import multiprocessing
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from straightline.errors import UserError


class Publisher:
    """Calls `publish(*arguments, messages)` of `module` in another process; `messages` iterates over what is sent.

    The messages end when `close` is called, or when this process dies for any reason. So `publish` must recognize by
    the last message whether the computation was completed.
    """

    def __init__(self, module: str, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of TensorFlow's threads would hang
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, module, arguments))
        with _without_main():
            self._process.start()
        other.close()

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def send(self, message: Any) -> None:
        """Send `message` without waiting until it is published; it is dropped if the other process has failed."""
        with suppress(OSError):
            self._connection.send(message)

    def close(self) -> str:
        """Wait until everything is published and return the result of `publish`. Raises UserError if that failed."""
        self.send(_End())
        try:
            is_error, text = self._connection.recv()
        except (EOFError, OSError):
            is_error, text = True, "the publishing process died"
        self._process.join()
        if is_error:
            raise UserError(text)
        return str(text)


class _End:
    pass


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main module, because a new process would import it: the stage `train` takes seconds for TensorFlow."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(connection: Connection, module: str, arguments: tuple[Any, ...]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal sends them to the computation too, and its end is enough
    received: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # A thread receives the messages at once, so that the computation does not wait for a slow store.
    threading.Thread(target=_receive, args=(connection, received), daemon=True).start()
    try:
        publish = importlib.import_module(module).publish
        answer = (False, publish(*arguments, _messages(received)))
    except UserError as error:
        answer = (True, str(error))
    with suppress(OSError):  # the computation may have ended
        connection.send(answer)


def _receive(connection: Connection, received: "queue.SimpleQueue[Any]") -> None:
    with suppress(EOFError, OSError):
        while not isinstance(message := connection.recv(), _End):
            received.put(message)
    received.put(_End())


def _messages(received: "queue.SimpleQueue[Any]") -> Iterator[Any]:
    while not isinstance(message := received.get(), _End):
        yield message
