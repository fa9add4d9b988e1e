"""The settings of Keras that the networks are built and loaded with, whatever ~/.keras/keras.json says.

Importing this module sets them: images with channels last, float32, Keras's own epsilon, and trainings that no limit
for debugging ends early. Arguments of layers would not do, because the networks of keras.applications have none.
"""

import keras

keras.config.set_image_data_format("channels_last")
keras.config.set_floatx("float32")
keras.config.set_dtype_policy("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_max_epochs(None)
keras.config.set_max_steps_per_epoch(None)
