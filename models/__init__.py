"""Build functions that return functional `keras.Model`s: the spatial stream, the temporal stream, and both in one."""
