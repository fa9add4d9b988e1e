"""The division of groups nearest to that by their places in which every class has every split."""

import numpy as np
import pandas as pd

LEAST = np.array([0.7, 0.25, 0.25])  # of a split's share of a class's clips; luck gives less where groups are few
LACKING, SHORT = 1000, 100  # costs beside distances, which are below 1: a split that a class lacks, clips it lacks
MOST_NODES = 20  # of the search: enough for the optimum, unless hundreds of small classes share their groups at random


def repair_splits(clips: pd.DataFrame, places: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """Puts each group into the split in which its place lies, or into another one where a class needs it.

    A class needs a group in each split (in the first ones, if it has fewer groups than splits), and `LEAST` of the
    split's share of its clips. Of all divisions that give the classes most of this, the result is the one whose groups
    are the least distant from their splits in total. Only classes that need something, and those that share groups with
    them, are divided in another way than by place.

    Args:
        clips: columns label, group (int, from 0) and clips, their number; one row for each pair that has clips.
        places: float (groups,), 0 … 1.
        borders: float (4,), from 0 to 1: split s is borders[s] … borders[s + 1]; empty if it is not wanted.

    Returns:
        int (groups,): the split of each group.
    """
    split_of = np.searchsorted(borders[1:3], places, side="right")
    distances = np.maximum(borders[:3] - places[:, None], places[:, None] - borders[1:]).clip(0)
    label, group = clips["label"].to_numpy(), clips["group"].to_numpy()
    share = (clips["clips"] / clips.groupby("label")["clips"].transform("sum")).to_numpy()  # of the class's clips
    least, wanted = LEAST * np.diff(borders), np.diff(borders) > 0

    needed = wanted & (np.cumsum(wanted) <= np.bincount(label)[:, None])  # bool (classes, 3)
    found = np.zeros(needed.shape)  # share of the class's clips
    np.add.at(found, (label, split_of[group]), share)
    in_need = (needed & ((found == 0) | (found < least))).any(axis=1)
    if in_need.any():
        part = _connect(label, group)
        for number in np.unique(part[in_need[label]]):
            rows = part == number
            members, columns = np.unique(group[rows], return_inverse=True)
            classes, places_of = np.unique(label[rows], return_inverse=True)
            pairs = share[rows], (places_of, columns)
            split_of[members] = _divide(pairs, needed[classes], least, np.where(wanted, distances[members], np.inf))
    return split_of


def _connect(label, group):
    """int (rows,): equal for rows whose classes share groups, also through other classes."""
    from scipy.sparse import csr_array  # here, because models and workers import src.subsets, and need no scipy
    from scipy.sparse.csgraph import connected_components

    first = label.max() + 1  # node of the first group; before it are the classes
    size = first + group.max() + 1
    graph = csr_array((np.ones(len(label)), (label, first + group)), shape=(size, size))
    return connected_components(graph, directed=False)[1][label]


def _divide(pairs, needed, least, distances):
    """The split of each group, by integer programming: int (groups,).

    Args:
        pairs: (shares, (classes, groups)): of each class's clips in each group.
        needed: bool (classes, 3), the splits that each class needs.
        least: float (3,), the share of a class's clips that a split needs.
        distances: float (groups, 3), inf for a split that is not wanted.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import block_array, coo_array, eye_array, kron

    shares = coo_array(pairs, shape=(len(needed), len(distances)))
    classes, groups = shares.shape
    # Variables: is a group in a split (groups, 3); does a class lack a split, and which share of clips (classes, 3)?
    costs = np.concatenate([distances.ravel(), np.full(3 * classes, LACKING), np.full(3 * classes, SHORT)])
    allowed = np.isfinite(costs)
    matrix = block_array(
        [
            [kron(eye_array(groups), np.ones((1, 3))), None, None],
            [kron(shares > 0, eye_array(3)), eye_array(3 * classes), None],
            [kron(shares, eye_array(3)), None, eye_array(3 * classes)],
        ]
    )
    lower = np.concatenate([np.ones(groups), needed.ravel(), (needed * least).ravel()])
    upper = np.concatenate([np.ones(groups), np.full(6 * classes, np.inf)])
    found = milp(
        np.where(allowed, costs, 0),
        integrality=np.arange(len(costs)) < 3 * groups,
        bounds=Bounds(0, np.where(allowed, np.inf, 0)),
        constraints=LinearConstraint(matrix, lower, upper),
        options={"mip_rel_gap": 0, "node_limit": MOST_NODES},  # no time limit: results must not depend on the machine
    )
    return found.x[: 3 * groups].reshape(-1, 3).argmax(axis=1)
