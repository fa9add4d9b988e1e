"""Frames → optical flow → 8-bit codes → the stack that is the input of the temporal stream."""

from src.flow import farneback_steps
from src.flow.caching import compile_exact
from src.flow.codes import STEPS, ZERO, dequantize_flow, mean_flow, stack_codes, stack_fields, unstack_flow
from src.flow.flow_input import first_field, make_flow_input, reorder_fields, reverse_stack
from src.flow.optical_flow import compute_flow
