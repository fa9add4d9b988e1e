"""The job that fills the store: plan, workers, extraction, report."""

from src.preprocessing.checking import check_store, find_example
from src.preprocessing.extraction import extract_clip, extract_windows
from src.preprocessing.job import preprocess
from src.preprocessing.plan import choose_extraction, plan_preprocessing
