"""Loss, optimizer, learning rate schedule and number of steps, the same for both streams."""

import keras

from src.config import TrainConfig
from src.devices import jit_compile

# Networks from scratch need so many steps, however few clips there are: on 48 real clips, 18 steps leave the temporal
# stream at the majority class, and 300 steps bring it to 0.7. With more clips, each gives so many inputs.
LEAST_STEPS, INPUTS_OF_CLIP = 300, 80
OWN, OTHER = "own", "other"  # the tasks of a network of two data sets: keys of its inputs, scores and losses


def choose_steps(clips: int, segments: int, batch_size: int) -> int:
    """The training steps of a stream: 300, and more if else a clip would give fewer than 80 inputs on average.

    Args:
        clips: number of training clips.
        segments: inputs that a clip gives in a step.
        batch_size: clips of a step.
    """
    return max(LEAST_STEPS, -(-INPUTS_OF_CLIP * clips // (segments * batch_size)))


def compile_model(model: keras.Model, learning_rate: float, steps: int, config: TrainConfig, xla: bool = False) -> None:
    """Compiles a model that outputs scores: categorical cross-entropy with label smoothing, AdamW.

    Args:
        model: outputs scores (N, C), after softmax; or those of two tasks, {OWN: …, OTHER: …}, whose losses are summed.
        learning_rate: peak, at the end of a linear warm-up; a cosine decay to zero follows, so that the last weights
            are settled, and no epoch has to be chosen.
        steps: training steps of the whole schedule.
        config: `warm_up`, `weight_decay` and `label_smoothing`.
        xla: compile the steps with XLA.

    Loshchilov & Hutter 2019 (AdamW), 2017 (cosine decay).
    """
    warm_up = max(1, round(config.warm_up * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, steps - warm_up), warmup_target=learning_rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
    loss = keras.losses.CategoricalCrossentropy(from_logits=False, label_smoothing=config.label_smoothing)
    metrics = ["accuracy"] if len(model.outputs) == 1 else {OWN: ["accuracy"]}
    model.compile(optimizer, loss, weighted_metrics=metrics, jit_compile=jit_compile(xla))
