"""Requests of several threads are answered together, each with its own codes, whatever the others do."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path

import numpy as np
import pytest
from conftest import LIMIT, wait_for

from src.preprocessing import flow_server
from src.preprocessing.flow_server import Address, FlowServer, _connect, request_flow

HEIGHT, WIDTH = 4, 6


def sums(pairs):
    """In place of codes: the sum of each pair's frames, and the second one."""
    return np.stack([pairs.sum(axis=1, dtype=np.uint8), pairs[:, 1]], axis=-1)


def make_request(seed, count=5, shape=(HEIGHT, WIDTH)):
    """(frames, pairs)."""
    random = np.random.default_rng(seed)
    frames = random.integers(0, 256, (count + 1, *shape), np.uint8)
    return frames, np.stack([np.arange(count), np.arange(1, count + 1)], axis=1)


def expected(frames, pairs):
    return sums(frames[pairs])


@pytest.mark.parametrize("size", [1, 3, 5, 8, 100])
def test_each_request_gets_its_own_codes(size):
    shapes = [(HEIGHT, WIDTH), (WIDTH, HEIGHT)]
    requests = [make_request(seed, 1 + seed % 7, shapes[seed % 2]) for seed in range(40)]
    with FlowServer(sums, size) as address, ThreadPoolExecutor(8) as workers:
        found = list(workers.map(lambda request: request_flow(address, *request), requests))
    for request, codes in zip(requests, found, strict=True):
        np.testing.assert_array_equal(codes, expected(*request))


def test_batches_have_one_shape_and_hold_what_waits():
    shapes, taken, ready = [], [], threading.Event()

    def slow(pairs):
        shapes.append(pairs.shape)
        taken.append(np.count_nonzero(pairs.any(axis=(1, 2, 3))) // 5)
        assert ready.wait(LIMIT)
        return sums(pairs)

    server = FlowServer(slow, 12)
    with server as address, ThreadPoolExecutor(6) as workers:
        futures = [workers.submit(request_flow, address, *make_request(seed)) for seed in range(6)]
        wait_for(lambda: sum(taken) + len(server.waiting) == 6, "six requests have come")
        ready.set()
        for future in futures:
            future.result(LIMIT)
    assert set(shapes) == {(12, 2, HEIGHT, WIDTH)} and sum(taken) == 6
    assert 3 <= len(shapes) <= 4  # twelve pairs are two requests; the first two batches may have got one each


def test_a_failure_reaches_those_who_asked_and_the_server_goes_on():
    def fail_on_black(pairs):
        if not pairs[0].any():
            raise MemoryError("the device is full")
        return sums(pairs)

    frames, pairs = make_request(0)
    with FlowServer(fail_on_black, 5) as address:
        with pytest.raises(RuntimeError, match="MemoryError: the device is full"):
            request_flow(address, np.zeros_like(frames), pairs)
        np.testing.assert_array_equal(request_flow(address, frames, pairs), expected(frames, pairs))


def test_a_process_that_dies_disturbs_no_other():
    frames, pairs = make_request(0)
    with FlowServer(sums, 5) as address:
        _connect(address).close()  # before it asked
        asked = _connect(address)
        asked.send((frames, pairs))
        asked.close()  # before it was answered
        np.testing.assert_array_equal(request_flow(address, frames, pairs), expected(frames, pairs))


def test_a_process_that_is_stopped_while_it_connects_holds_nobody():
    frames, pairs = make_request(0)
    with FlowServer(sums, 5) as address:
        stopped = Client(address.place)  # and never shows that it knows the key
        np.testing.assert_array_equal(request_flow(address, frames, pairs), expected(frames, pairs))
    stopped.close()


def test_a_process_without_the_key_is_refused():
    with FlowServer(sums, 5) as address, pytest.raises(AuthenticationError):
        request_flow(Address(address.place, b"another"), *make_request(0))


def test_the_end_of_the_block_ends_those_who_wait():
    begun = []

    def compute_until_the_end(pairs):
        begun.append(len(pairs))
        wait_for(lambda: not server.is_open, "the block ends")
        with server.changed:  # which has ended those who wait, too
            return sums(pairs)

    threads = threading.active_count()
    with ThreadPoolExecutor(5) as workers:
        server = FlowServer(compute_until_the_end, 5)
        with server as address:
            futures = [workers.submit(request_flow, address, *make_request(seed)) for seed in range(5)]
            wait_for(lambda: len(begun) == 2 and len(server.waiting) == 3, "two are computed, three wait")
        ended = [future.exception(LIMIT) for future in futures]
    assert sum(isinstance(error, (EOFError, OSError)) for error in ended) == 3 and ended.count(None) == 2
    wait_for(lambda: threading.active_count() <= threads, "all threads have ended")
    with pytest.raises(OSError):
        request_flow(address, *make_request(0))


def test_a_connection_at_the_end_of_the_block_does_not_hold_it(monkeypatch):
    server, connected, late, errors = FlowServer(sums, 5), threading.Event(), [], []

    class HeldListener(flow_server.Listener):
        def accept(self):
            connection = super().accept()
            if late:  # it is the late one's
                connected.set()
                wait_for(lambda: not server.is_open, "the block ends")
            return connection

    def connect_late(address):
        try:
            request_flow(address, *make_request(1))
        except (EOFError, OSError) as error:
            errors.append(error)

    def serve():
        with server as address:
            request_flow(address, *make_request(0))
            late.append(threading.Thread(target=connect_late, args=(address,), daemon=True))
            late[0].start()
            connected.wait(LIMIT)

    monkeypatch.setattr(flow_server, "Listener", HeldListener)
    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    serving.join(LIMIT)
    assert connected.is_set() and not serving.is_alive()
    late[0].join(LIMIT)
    assert len(errors) == 1


def test_a_block_that_is_never_left_does_not_hold_the_exit_of_python():
    program = "from src.preprocessing.flow_server import FlowServer; server = FlowServer(None, 5); server.__enter__()"
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], timeout=LIMIT)
    assert done.returncode == 0
