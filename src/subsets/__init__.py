"""A seeded, recorded choice of videos; folds; what a class becomes in a flipped or reversed clip."""

from src.subsets.class_maps import exchange_columns, flipped_classes, reversed_classes
from src.subsets.folds import make_folds
from src.subsets.subset import choose_subset, count_clips

__all__ = [
    "choose_subset",
    "count_clips",
    "exchange_columns",
    "flipped_classes",
    "make_folds",
    "reversed_classes",
]
