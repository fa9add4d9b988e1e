"""Loss, optimizer and learning rate schedule, the same for both streams."""

import keras

from src.training.devices import jit_compile

WEIGHT_DECAY = 0.01
LABEL_SMOOTHING = 0.1  # keeps a stream from being overconfident about classes that it cannot tell apart by itself
WARM_UP = 0.1  # share of the steps with a rising learning rate


def compile_model(model: keras.Model, learning_rate: float, steps: int, xla: bool = False) -> None:
    """Compiles a model that outputs scores: categorical cross-entropy with label smoothing, AdamW.

    Args:
        model: outputs scores (N, C), after softmax.
        learning_rate: peak, at the end of a linear warm-up; a cosine decay to zero follows.
        steps: training steps of the whole schedule.
        xla: compile the steps with XLA.

    Loshchilov & Hutter 2019 (AdamW), 2017 (cosine decay).
    """
    warm_up = max(1, round(WARM_UP * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, steps - warm_up), warmup_target=learning_rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY)
    loss = keras.losses.CategoricalCrossentropy(from_logits=False, label_smoothing=LABEL_SMOOTHING)
    model.compile(optimizer, loss, weighted_metrics=["accuracy"], jit_compile=jit_compile(xla))
