"""Where a stream looks: class activation maps of clips, exact or by gradients."""

from src.attention.clips import ClipAttention, attend_clips
from src.attention.maps import find_attention
