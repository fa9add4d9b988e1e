"""Training: loss, optimizer and steps (`compiling`), one fit per phase, exact resume, and the folder of a run."""

from src.training.compiling import choose_steps, compile_model
from src.training.devices import on_devices
from src.training.estimate import estimate_training
from src.training.head import fit_head
from src.training.multi_task import read_other
from src.training.runs import Run, git_commit, start_run
from src.training.saving import save_end_to_end, save_two_stream
from src.training.streams import train_spatial, train_temporal
from src.training.summary import describe_fit
