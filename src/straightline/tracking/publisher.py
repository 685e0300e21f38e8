"""A process that publishes beside the computation, and where the computation dies, still ends what it began."""

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
    """Runs `publish(*arguments, messages)` of `module` in a process of its own, where `messages` are what is sent.

    The messages end when `close` is called, or when this process dies, however it dies, so that `publish` can tell by
    the last message whether all was said.
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
        """Send `message`, without waiting for what becomes of it; dropped once the process has failed."""
        with suppress(OSError):
            self._connection.send(message)

    def close(self) -> str:
        """Wait until all is published and return what `publish` returned. Raises the UserError that it raised."""
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
    """Hide the main module, which a new process would import: stage `train` with TensorFlow, for seconds."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(connection: Connection, module: str, arguments: tuple[Any, ...]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal sends them to the sender too, whose end ends the messages
    received: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # Read at once, so that the sender does not wait for a slow store.
    threading.Thread(target=_receive, args=(connection, received), daemon=True).start()
    try:
        publish = importlib.import_module(module).publish
        answer = (False, publish(*arguments, _messages(received)))
    except UserError as error:
        answer = (True, str(error))
    with suppress(OSError):  # where the sender is gone
        connection.send(answer)


def _receive(connection: Connection, received: "queue.SimpleQueue[Any]") -> None:
    with suppress(EOFError, OSError):
        while not isinstance(message := connection.recv(), _End):
            received.put(message)
    received.put(_End())


def _messages(received: "queue.SimpleQueue[Any]") -> Iterator[Any]:
    while not isinstance(message := received.get(), _End):
        yield message
