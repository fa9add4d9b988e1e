"""Seeded subsets and folds of an annotation table, and the classes of flipped and time-reversed clips."""

from src.subsets.class_maps import exchange_columns, flip_table, flipped_classes, reversed_classes
from src.subsets.classes import name_class_set
from src.subsets.folds import make_folds
from src.subsets.objects import is_by_objects
from src.subsets.splits import SHARES, divide_groups
from src.subsets.subset import choose_subset, count_clips
