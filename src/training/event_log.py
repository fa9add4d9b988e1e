"""The log of a training for TensorBoard: `tensorboard --logdir runs` shows the curves of all runs.

Keras's callback for TensorBoard needs TensorFlow. The tensorboard package alone writes the same files, so the log is
there under JAX and PyTorch, too.
"""

import functools
import time
from pathlib import Path

import keras

from src.training.callbacks import History

try:
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter
except ImportError:
    RecordWriter = None
VERSION = "brain.Event:2"  # of the format: since version 2, TensorBoard heeds the marks of a restart


class EventLog(keras.callbacks.Callback):
    """Logs loss, accuracy and learning rate after each round, by the number of steps done.

    Each fit writes a file of its own, named by the step at which it starts. The file begins with a mark of a restart,
    at which TensorBoard discards what an interrupted fit has logged of the rounds that are repeated. Of an interruption
    Keras tells no callback, so close the log after a fit.

    Args:
        folder: of the files.
        history: the callback before this one; its last row is logged.
    """

    def __init__(self, folder: Path, history: History):
        super().__init__()
        self.folder, self.history, self.writer = folder, history, None

    def on_train_begin(self, logs=None):
        is_installed()  # what it says comes before the progress bar

    def on_epoch_begin(self, epoch, logs=None):
        if self.writer is None and is_installed():
            done = self.history.first_step + epoch * self.history.round_steps
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"events.out.tfevents.{done:010d}"
            self.writer = RecordWriter(path.open("wb"))
            self._write(file_version=VERSION)
            self._write(step=done + 1, session_log=SessionLog(status=SessionLog.START))

    def on_epoch_end(self, epoch, logs=None):
        if self.writer is not None:
            row = self.history.table.iloc[-1]
            values = row.drop(["step", "phase"]).astype(float).dropna().to_dict()  # no validation is NaN
            values["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
            self._write(step=int(row["step"]), summary=summary)

    def on_train_end(self, logs=None):
        self.close()

    def close(self) -> None:
        """Closes the file of the fit, if it is open."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _write(self, **content):
        self.writer.write(Event(wall_time=time.time(), **content).SerializeToString())
        self.writer.flush()


@functools.cache
def is_installed() -> bool:
    """Whether logs can be written; says once what is missing."""
    if RecordWriter is None:
        print("No logs for TensorBoard are written: its package is not installed (pip install tensorboard).")
    return RecordWriter is not None
