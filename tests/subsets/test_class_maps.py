"""Classes of flipped and time-reversed clips, against 20BN's own lists; scores of flipped crops."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED_DATA

from src.subsets.class_maps import exchange_columns, flip_table, flipped_classes, reversed_classes

TURNS = ["turn_clockwise", "turn_back", "wave", "turn_counter"]
LIFTING = "Lifting something up completely without letting it drop down"


@pytest.fixture(scope="module")
def ssv2():
    """20BN's 174 templates in the order of the class index, and its maps for flips and time reversal."""
    if not (SHARED_DATA / "ssv2").is_dir():
        pytest.skip("20BN's lists are not part of the repository")
    names = pd.read_csv(SHARED_DATA / "ssv2/templates.csv").sort_values("class_index").template.tolist()
    return names, json.loads((SHARED_DATA / "ssv2/augmentation_mappings.json").read_text(encoding="utf-8"))


def test_flipped_classes_of_all_templates_are_those_of_20bn(ssv2):
    """Defect 1: three pairs are exchanged; "upright" and "pulling it right out" are no directions."""
    names, mappings = ssv2
    flipped = flipped_classes(names)
    changed = {index: int(other) for index, other in enumerate(flipped) if other != index}
    assert changed == {86: 87, 87: 86, 93: 94, 94: 93, 166: 167, 167: 166}
    flipped = dict(zip(names, flipped, strict=True))
    for name, other in mappings["left/right"].items():
        assert names[flipped[name]] == other
    for name in mappings["left/right agnostic"]:
        assert names[flipped[name]] == name


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Pushing something from left to right", "Hold", "Pushing something from right to left"], [2, 1, 0]),
        (["Left", "right"], [1, 0]),  # names of folders differ in case
        (["turn_left", "turn_right", "TurnLeft", "TurnRight"], [1, 0, 3, 2]),
        (["turn-left-upright", "turn-right-upright", "leftward", "rightward"], [1, 0, 3, 2]),
        (["Pulling it right out", "upright upright on the table", "bright_light"], [0, 1, 2]),  # not directions
        (["Step_4_Left", "Step_4_Right", "Step_7_Left", "Step_7_Right", "Step_1"], [1, 0, 3, 2, 4]),  # HandWash
        (["UpLeft", "UpRight"], [1, 0]),
        (["UpLeft", "upright"], [1, 0]),
        (["wave", "Wave", "WAVE"], [0, 1, 2]),
        (["Upright", "upright_left", "upright_right"], [0, 2, 1]),
        (["upleft", "upright", "downright", "downleft"], [1, 0, 3, 2]),  # words that their partners make directions
        (["Hold", "From left to right", "RIGHT", "Left arm"], [0, -1, -1, -1]),  # without a partner
    ],
)
def test_left_and_right_are_exchanged(names, expected):
    flipped = flipped_classes(names)
    assert flipped.tolist() == expected and flipped.dtype == np.int64


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Turning Hand Clockwise", "Turning Hand Counterclockwise", "clockwork"], [1, 0, 2]),
        (["turn_anticlockwise", "turn_clockwise"], [1, 0]),
        (["counter-clockwise", "Clockwise"], [1, 0]),
        (["spin counter clockwise", "spin clockwise"], [1, 0]),
        (["SpinClockwise", "SpinCounterClockwise"], [1, 0]),
        (["rotate_cw", "rotate_ccw", "TurnCW", "TurnCCW", "CWTurn", "CCWTurn"], [1, 0, 3, 2, 5, 4]),
        (["rotate_cw", "rotate_counterclockwise"], [1, 0]),
        (["scwab", "ccwx"], [0, 1]),  # not whole tokens
        (["TurnClockWise", "TurnCounterClockWise", "turn clock-wise", "turn acw"], [1, 0, 3, 2]),
        (["left arm clockwise", "right arm counterclockwise", "right arm clockwise"], [1, 0, -1]),
        (["rotate clockwise", "wave"], [-1, 1]),
    ],
)
def test_senses_of_rotation_are_exchanged(names, expected):
    assert flipped_classes(names).tolist() == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["going east", "going west"], [1, 0]),
        (["Eastward", "Westward", "eastbound", "westbound"], [1, 0, 3, 2]),
        (["northeast", "northwest", "south_east", "south_west", "SouthEast", "SouthWest"], [1, 0, 3, 2, 5, 4]),
        (["walk east to west", "walk west to east"], [1, 0]),
        (["north", "south"], [0, 1]),
        (["east"], [-1]),
    ],
)
def test_east_and_west_are_exchanged(names, expected):
    assert flipped_classes(names).tolist() == expected


@pytest.mark.parametrize(
    "names",
    [
        ["answer right", "answer wrong"],  # correct
        ["RightPosture", "IncorrectPosture", "right_posture", "wrong_posture"],
        ["Person left the room", "left_behind", "bag left unattended", "the car has left", "being left alone"],
        ["right away", "turning at a right angle", "all right"],
    ],
)
def test_right_that_means_correct_and_left_of_leaving_are_no_directions(names):
    assert flipped_classes(names).tolist() == list(range(len(names)))


def test_what_is_rarely_a_direction_is_one_beside_its_partner():
    assert flipped_classes(["left behind", "right behind", "bag left behind"]).tolist() == [1, 0, 2]
    assert flipped_classes(["right hand", "left hand", "wrong hand"]).tolist() == [1, 0, 2]
    assert flipped_classes(["step right", "step wrong", "step left"]).tolist() == [2, 1, 0]


def test_words_that_hold_a_direction_but_are_none_keep_their_class():
    words = ["eating leftovers", "least", "beast", "feast", "Easter", "western", "yeast", "bright", "Brightening"]
    words += ["upright", "copyright", "cleft", "pulling it right out", "fright", "playwright", "outright", "righteous"]
    assert flipped_classes(words).tolist() == list(range(len(words)))


def test_the_flip_table_names_the_classes_that_a_flip_changes():
    table = flip_table(["turn left", "wave", "turn right", "spin clockwise"])
    assert table.columns.tolist() == ["class", "flipped class"]
    expected = [["turn left", "turn right"], ["turn right", "turn left"], ["spin clockwise", "not flipped"]]
    assert table.to_numpy().tolist() == expected
    assert flip_table(["left", "right"], {}).empty and flip_table(["wave"]).columns.equals(table.columns)
    assert flip_table(["a", "b", "wave"], {"a": "b"}).to_numpy().tolist() == [["a", "b"], ["b", "a"]]


def test_a_given_flip_map_goes_both_ways_and_keeps_the_other_classes():
    one_way = {"turn_clockwise": "turn_counter"}
    both_ways = one_way | {"turn_counter": "turn_clockwise"}
    for given in (one_way, both_ways, both_ways | {"wave": "wave"}):
        flipped = flipped_classes(TURNS, given)
        assert flipped.tolist() == [3, 1, 2, 0] and flipped.dtype == np.int64
    assert flipped_classes(TURNS[:3], one_way).tolist() == [-1, 1, 2]  # the other class is not in the data set
    # It replaces the rule by names: in a dance, "left foot" may well be unchanged by a flip.
    assert flipped_classes(["left", "right", "both"], {}).tolist() == [0, 1, 2]
    assert flipped_classes(["left", "right", "both"], {"left": "both"}).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "given",
    [
        {"turn_clockwise": "turn_counter", "turn_counter": "wave"},
        {"turn_clockwise": "turn_counter", "wave": "turn_counter"},
        {"turn_clockwise": "turn_counter", "turn_counter": "turn_counter"},
        {"turn_clockwise": "not here", "wave": "not here"},
    ],
)
def test_a_flip_map_that_contradicts_itself_is_refused(given):
    with pytest.raises(ValueError, match="must be in one pair.*Received: '.*' → '.*' → '"):
        flipped_classes(TURNS, given)


@pytest.mark.parametrize("function", [flipped_classes, reversed_classes])
def test_a_key_that_is_no_class_is_refused_and_similar_names_are_listed(function):
    with pytest.raises(ValueError, match=r"must be a class.*Received: 'turn_clokwise'.*\['turn_clockwise'"):
        function(TURNS, {"turn_clokwise": "turn_counter"})
    with pytest.raises(ValueError, match="Received: 'Opening something'. No class"):
        function(TURNS, {"Opening something": "turn_back"})


def test_reversed_classes_of_all_templates_are_those_of_20bn(ssv2):
    """34 templates in pairs, one that maps one way, 37 that keep their class; the other 102 are never reversed."""
    names, mappings = ssv2
    reversed_, agnostic = mappings["reverse time"], mappings["reverse time agnostic"]
    expected = [names.index(reversed_.get(name, name)) if name in {*reversed_, *agnostic} else -1 for name in names]
    assert reversed_classes(names).tolist() == expected
    assert len(reversed_) == 35 and len(agnostic) == 37 and expected.count(-1) == 102
    # Flip and reversal commute.
    flipped, backwards = flipped_classes(names), reversed_classes(names)
    known = np.flatnonzero(backwards >= 0)
    np.testing.assert_array_equal(flipped[backwards[known]], backwards[flipped[known]])


def test_reversed_classes_of_some_templates():
    names = ["Opening something", "Pushing something from left to right", "Holding something", "Closing something"]
    names += ["Pulling something from right to left", "Tearing something into two pieces"]
    backwards = reversed_classes(names)
    assert backwards.tolist() == [3, 4, 2, 0, 1, -1] and backwards.dtype == np.int64
    # What is lifted and stays up is put down, backwards; what is put down is picked up.
    assert reversed_classes([LIFTING, "Picking something up", "Putting something on a surface"]).tolist() == [2, 2, 1]
    # Without the partner, and of other data sets.
    assert reversed_classes(["Opening something", "Holding something", "juggling", "left"]).tolist() == [-1, 1, -1, -1]


def test_a_given_reversal_map_goes_both_ways_and_nothing_else_is_reversed():
    one_way = {"turn_clockwise": "turn_counter", "wave": "wave"}
    for given in (one_way, one_way | {"turn_counter": "turn_clockwise"}):
        assert reversed_classes(TURNS, given).tolist() == [3, -1, 2, 0]
    assert reversed_classes(["Opening something", "Closing something"], {}).tolist() == [-1, -1]
    assert reversed_classes(TURNS[:3], {"turn_clockwise": "turn_counter"}).tolist() == [-1, -1, -1]


def test_a_given_reversal_may_have_another_way_back():
    names = ["lift", "pick", "put"]
    assert reversed_classes(names, {"lift": "put", "pick": "put", "put": "pick"}).tolist() == [2, 2, 1]
    with pytest.raises(ValueError, match="must have the key 'put'.*Received: 'lift' and 'pick'"):
        reversed_classes(names, {"lift": "put", "pick": "put"})
    assert reversed_classes(names[:2], {"lift": "put", "pick": "put"}).tolist() == [-1, -1]


def test_the_columns_of_flipped_crops_are_exchanged():
    """Defect 2: a push to the left, certain in both crops, looks like one to the right in the flipped crop."""
    flipped = flipped_classes(["push left", "hold", "push right"])
    scores, of_flipped_crop = np.array([[0.9, 0.1, 0.0]]), np.array([[0.0, 0.1, 0.9]])
    np.testing.assert_array_equal(exchange_columns(of_flipped_crop, flipped), scores)
    many = np.random.default_rng(0).random((2, 3, 5, 4))
    np.testing.assert_array_equal(exchange_columns(many, np.array([1, 0, 2, 3])), many[..., [1, 0, 2, 3]])


def test_columns_without_a_partner_are_refused():
    """Defect 2: as an index, -1 would take the score of the last class."""
    with pytest.raises(ValueError, match=r"flipped class of every class.*Received: none for the classes \[1\]"):
        exchange_columns(np.ones((2, 3)), flipped_classes(["hold", "push left", "wave"]))
    with pytest.raises(ValueError, match=r"in pairs.*Received: \[2, 2, 1\]"):
        exchange_columns(np.ones((2, 3)), np.array([2, 2, 1]))
    with pytest.raises(ValueError, match="an entry per column.*Received: 2"):
        exchange_columns(np.ones((2, 3)), np.array([0, 1]))
