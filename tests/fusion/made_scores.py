"""Random scores of two streams for the tests of fusion."""

import numpy as np
from scipy.special import softmax


def make_scores(labels, num_classes, seed=0, spatial=2.0, temporal=3.0):
    """Softmax of logits with standard normal noise; that of the true class is `spatial` or `temporal` higher."""
    rng, scores = np.random.default_rng(seed), {}
    for name, signal in (("spatial", spatial), ("temporal", temporal)):
        logits = rng.normal(size=(len(labels), num_classes))
        logits[np.arange(len(labels)), labels] += signal
        scores[name] = softmax(logits, axis=1).astype(np.float32)
    return scores


def random_labels(count, num_classes, seed=0):
    return np.random.default_rng(seed).permutation(np.arange(count) % num_classes)


def accuracy(scores, labels):
    return (scores.argmax(axis=1) == labels).mean()
