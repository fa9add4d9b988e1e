"""Each clip scored once, by networks that were fitted to no clip of its group."""

from src.cross_validation.held_out import HeldOut, pool_splits
from src.cross_validation.running import cross_validate
