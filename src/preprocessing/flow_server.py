"""Flow for worker processes, computed in this process: requests that wait at the same time are answered together."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener, answer_challenge, deliver_challenge

import numpy as np

COMPUTING = 2  # batches at a time: one is on the device while another is put together, or sent back
INSTEAD = "Set accelerator=False to compute it on the cores."


@dataclass(frozen=True)
class Address:
    """Where the processes of this machine find a `FlowServer`."""

    place: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, eq=False)
class _Request:
    frames: np.ndarray
    pairs: np.ndarray
    codes: Future = field(default_factory=Future)


class FlowServer:
    """Answers `request_flow` of other processes inside its `with` block, which gives its `Address`.

    A worker waits for its answer, so that memory holds as many clips as there are workers.

    Args:
        compute: uint8 (N, 2, H, W), pairs of grey frames → uint8 (N, H, W, 2), codes of their flow. It is called by
            `COMPUTING` threads.
        size: N, of every batch; pairs that are missing are black.
    """

    def __init__(self, compute: Callable[[np.ndarray], np.ndarray], size: int):
        self.compute, self.size = compute, size
        self.waiting: list[_Request] = []
        self.changed, self.is_open = threading.Condition(), True

    def __enter__(self) -> Address:
        key = os.urandom(32)
        self.listener = Listener(backlog=256)
        self.address = Address(self.listener.address, key)
        # Daemons: Python would wait for them at its exit, before it closes what still holds the block open.
        targets = [self._answer] * COMPUTING + [self._accept]
        self.threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in self.threads:
            thread.start()
        return self.address

    def __exit__(self, *error):
        with self.changed:
            self.is_open = False
            self.changed.notify_all()
            for request in self.waiting:
                request.codes.cancel()
        Client(self.address.place).close()  # ends `accept`; without a key, because nobody may be left to answer
        for thread in self.threads:
            thread.join()
        self.listener.close()

    def _accept(self):
        while self.is_open:
            try:
                connection = self.listener.accept()
            except OSError:
                continue  # the process has died
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        """Takes a request, and sends the answer."""
        try:
            with connection:
                # Here and not in `_accept`, where a process that is stopped would hold all others.
                deliver_challenge(connection, self.address.key)
                answer_challenge(connection, self.address.key)
                request = _Request(*connection.recv())
                with self.changed:
                    if not self.is_open:
                        return
                    self.waiting.append(request)
                    self.changed.notify()
                error = request.codes.exception()
                failed = f"flow could not be computed on the device ({type(error).__name__}: {error}). {INSTEAD}"
                connection.send(RuntimeError(failed) if error else request.codes.result())
        except (OSError, EOFError, AuthenticationError, CancelledError):
            pass  # the process has died or knows no key, or the job ends

    def _answer(self):
        while requests := self._take():
            try:
                codes = self._compute(requests)
            except Exception as error:  # of any kind: the worker's task raises it
                for request in requests:
                    request.codes.set_exception(error)
            else:
                for request, part in zip(requests, codes, strict=True):
                    request.codes.set_result(part)

    def _take(self):
        """The next requests of one frame size that a batch has room for, or one that needs several batches."""
        with self.changed:
            self.changed.wait_for(lambda: self.waiting or not self.is_open)
            if not self.is_open:
                return []
            shape = self.waiting[0].frames.shape[1:]
            taken, room = [], self.size
            for request in self.waiting:
                if request.frames.shape[1:] == shape and (len(request.pairs) <= room or not taken):
                    taken.append(request)
                    room -= len(request.pairs)
            self.waiting = [request for request in self.waiting if request not in taken]
            return taken

    def _compute(self, requests):
        """The codes of each request."""
        bounds, size = np.cumsum([0, *(len(request.pairs) for request in requests)]), self.size
        pairs = np.zeros((-(-bounds[-1] // size) * size, 2, *requests[0].frames.shape[1:]), np.uint8)
        for request, first, end in zip(requests, bounds, bounds[1:], strict=False):
            np.take(request.frames, request.pairs, axis=0, out=pairs[first:end], mode="clip")  # "raise" is slower
        parts = [self.compute(pairs[first : first + size]) for first in range(0, len(pairs), size)]
        codes = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return np.split(codes[: bounds[-1]], bounds[1:-1])


def request_flow(address: Address, frames: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The codes of the flow between frames, from a `FlowServer`.

    Args:
        address: of the server.
        frames: uint8 (T, H, W), grey.
        pairs: int (N, 2), positions in `frames` of the first and the second frame of each pair.

    Returns:
        uint8 (N, H, W, 2).

    Raises:
        RuntimeError: the server failed to compute it.
        EOFError: the server has ended.
    """
    with _connect(address) as connection:
        connection.send((frames, pairs))
        answer = connection.recv()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _connect(address):
    return Client(address.place, authkey=address.key)
