"""The atlas of a run: one HTML file with the confusion matrices, whose cells open their clips."""

from src.atlas.writing import write_atlas
