"""Writes the sample, a small synthetic twin of Something-Something V2, and knows its true flow."""

from src.sample.dataset import read_sample_spec, sample_true_flow, write_sample
from src.sample.rendering import ACTIONS, clip_spec, moving_mask, render_clip, true_flow

__all__ = [
    "ACTIONS",
    "clip_spec",
    "moving_mask",
    "read_sample_spec",
    "render_clip",
    "sample_true_flow",
    "true_flow",
    "write_sample",
]
