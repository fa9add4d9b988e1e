"""What a subset is, measured before anything is stored, and the parameters that follow from it."""

from src.fingerprint.choice import REASON_COLUMNS, Choice, choose_parameters, choose_short_side
from src.fingerprint.flow_error import FOLLOWED, find_limit, measure_flow_error
from src.fingerprint.metadata import read_fingerprint
from src.fingerprint.motion import Motion, measure_motion
from src.fingerprint.oddities import describe_oddities
