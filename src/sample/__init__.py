"""The sample: a small synthetic data set in the layout of Something-Something V2, with known true flow."""

from src.sample.dataset import VIDEO_FOLDER, is_sample, write_sample
from src.sample.rendering import moving_mask, render_clip, true_flow
from src.sample.specs import ACTIONS, clip_spec
