"""The job that fills the store: plan, workers, extraction, report."""

from src.preprocessing.checking import check_store, find_worst
from src.preprocessing.comparison import compare_stored
from src.preprocessing.examples import find_example, read_strips
from src.preprocessing.extraction import extract_clip, extract_windows
from src.preprocessing.job import preprocess
from src.preprocessing.latest import latest_output
from src.preprocessing.plan import choose_extraction, plan_preprocessing
