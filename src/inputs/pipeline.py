"""The way of batches to a network: made ahead, by threads of this process or by other processes."""

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import keras

from src.inputs.makers import READERS, Makers

OPEN = ("_readers", "_threads", "_started", "_processes", "_order")  # of a pipeline: what another process has anew


class Batches(keras.utils.PyDataset):
    """Base class of the pipelines: makes batches in threads, the next ones while the network works on this one.

    Args:
        count: samples per epoch.
        batch_size: samples per batch; the last batch may have fewer.
        makers: batches that are made at a time. Two or more are made by as many processes, see `Makers`.
    """

    epoch = 0

    def __init__(self, count: int, batch_size: int, makers: int = 1):
        super().__init__()  # no Keras workers: on JAX, Keras would carry their batches over into the next epoch
        self.count, self.batch_size, self.makers = count, batch_size, max(1, makers)
        self._open()

    def _open(self):
        self._readers, self._threads = ThreadPoolExecutor(READERS), ThreadPoolExecutor(self.makers)
        self._started: dict[tuple[int, int], Future] = {}

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name not in OPEN}

    def __setstate__(self, state):
        vars(self).update(state)
        self._open()

    def __len__(self):
        return -(-self.count // self.batch_size)

    def __getitem__(self, index):
        places = [(self.epoch, index)]
        for _ in range(self.makers):
            places.append(self._following(*places[-1]))
        self._started = {place: self._started.get(place) or self._start(*place) for place in places}
        return self._started.pop(places[0]).result()

    def next_epoch(self, epoch: int) -> int:
        """The epoch that probably follows; the same where all epochs are equal."""
        return epoch

    def _following(self, epoch, index):
        return (epoch, index + 1) if index + 1 < len(self) else (self.next_epoch(epoch), 0)

    def _start(self, epoch, index):
        """Starts to make batch `index` of an epoch."""
        positions = range(index * self.batch_size, min((index + 1) * self.batch_size, self.count))
        return self._threads.submit(self._processes.make if self.makers > 1 else self.make, epoch, positions)

    @functools.cached_property
    def _processes(self):
        return Makers(self, self.makers)

    def make(self, epoch, positions):
        """(inputs, classes) of the samples at some positions of an epoch, 0 … count - 1."""
        raise NotImplementedError

    def share(self, write: Callable[[int], object], count: int) -> None:
        """Calls `write` with 0 … count - 1, each in one of the readers: whichever is free takes the next."""
        places = iter(range(count))

        def work(_):
            for place in places:
                write(place)

        list(self._readers.map(work, range(min(READERS, count))))
