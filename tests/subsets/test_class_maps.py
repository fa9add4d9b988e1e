"""What classes become in a mirror and backwards in time, against 20BN's own lists; scores of mirrored views."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED_DATA

from src.subsets.class_maps import exchange_columns, flipped_classes, reversed_classes

SSV2 = SHARED_DATA / "ssv2"
TURNS = ["turn_clockwise", "turn_back", "wave", "turn_counter"]
LIFTING = "Lifting something up completely without letting it drop down"


def read_templates():
    if not (SSV2 / "templates.csv").exists():
        pytest.skip(f"{SSV2 / 'templates.csv'} is not there")
    names = pd.read_csv(SSV2 / "templates.csv").sort_values("class_index").template.tolist()
    assert len(names) == 174
    return names


def read_mappings():
    if not (SSV2 / "augmentation_mappings.json").exists():
        pytest.skip(f"{SSV2 / 'augmentation_mappings.json'} is not there")
    return json.loads((SSV2 / "augmentation_mappings.json").read_text(encoding="utf-8"))


def test_the_three_pairs_of_ssv2_and_no_other_template_are_exchanged():
    """Defect 1: "upright" and "pulling it right out" are no directions; the list is all of SSv2's templates."""
    mirrored = flipped_classes(read_templates())
    changed = {place: int(other) for place, other in enumerate(mirrored) if other != place}
    assert changed == {86: 87, 87: 86, 93: 94, 94: 93, 166: 167, 167: 166}


def test_mirrors_are_those_of_20bn():
    """Defect 1: every template that 20BN's list names, the sensitive and the agnostic."""
    names, mappings = read_templates(), read_mappings()
    mirrored = dict(zip(names, flipped_classes(names), strict=True))
    for name, other in mappings["left/right"].items():
        assert names[mirrored[name]] == other
    for name in mappings["left/right agnostic"]:
        assert names[mirrored[name]] == name


@pytest.mark.parametrize(
    "name",
    [
        "Putting something upright on the table",
        "Plugging something into something but pulling it right out as you remove your hand",
        "Putting something that cannot actually stand upright upright on the table, so it falls on its side",
        "Holding something",
        "bright_light",
    ],
)
def test_names_without_a_direction_are_their_own_mirror_image(name):
    assert flipped_classes([name]).tolist() == [0]


@pytest.mark.parametrize(
    "pair",
    [
        ("Pushing something from left to right", "Pushing something from right to left"),
        ("Turning the camera left while filming", "Turning the camera right while filming"),
        ("Left", "right"),  # names of folders differ in case
        ("turn_left", "turn_right"),
        ("TurnLeft", "TurnRight"),
        ("turn-left-upright", "turn-right-upright"),
        ("leftward", "rightward"),
    ],
)
def test_left_and_right_are_exchanged(pair):
    assert flipped_classes(list(pair)).tolist() == [1, 0]
    assert flipped_classes([pair[1], "Holding something", pair[0]]).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "name", ["Pushing something from left to right", "turn_left", "RIGHT", "Something left behind"]
)
def test_a_direction_without_its_partner_is_never_mirrored(name):
    mirrored = flipped_classes(["Holding something", name])
    assert mirrored.tolist() == [0, -1] and mirrored.dtype == np.int64


def test_a_given_mirror_map_goes_both_ways_and_leaves_the_others():
    one_way = {"turn_clockwise": "turn_counter"}
    both_ways = one_way | {"turn_counter": "turn_clockwise"}
    for given in (one_way, both_ways, both_ways | {"wave": "wave"}):
        mirrored = flipped_classes(TURNS, given)
        assert mirrored.tolist() == [3, 1, 2, 0] and mirrored.dtype == np.int64


def test_a_given_mirror_map_is_instead_of_the_rule_by_names():
    """In a dance, "left foot" may well stay: the user says."""
    assert flipped_classes(["left", "right", "both"], {}).tolist() == [0, 1, 2]
    assert flipped_classes(["left", "right", "both"], {"left": "both"}).tolist() == [2, 1, 0]


def test_a_given_mirror_image_that_is_not_in_the_data_set_is_none():
    assert flipped_classes(TURNS[:3], {"turn_clockwise": "turn_counter"}).tolist() == [-1, 1, 2]


@pytest.mark.parametrize(
    "given",
    [
        {"turn_clockwise": "turn_counter", "turn_counter": "wave"},
        {"turn_clockwise": "turn_counter", "wave": "turn_counter"},
        {"turn_clockwise": "turn_counter", "turn_counter": "turn_counter"},
        {"turn_clockwise": "not here", "wave": "not here"},
    ],
)
def test_a_mirror_map_that_contradicts_itself_is_refused(given):
    with pytest.raises(ValueError, match="must be in one pair.*Received: '.*' → '.*' → '"):
        flipped_classes(TURNS, given)


@pytest.mark.parametrize("function", [flipped_classes, reversed_classes])
def test_a_key_that_is_no_class_is_refused_and_its_likeness_named(function):
    with pytest.raises(ValueError, match=r"must be a class.*Received: 'turn_clokwise'.*\['turn_clockwise'"):
        function(TURNS, {"turn_clokwise": "turn_counter"})
    with pytest.raises(ValueError, match="Received: 'Opening something'. No class"):
        function(TURNS, {"Opening something": "turn_back"})


def test_time_reversal_is_that_of_20bn():
    """Every template: 34 in pairs, one that goes one way, 37 that stay; the other 102 are never reversed."""
    names, mappings = read_templates(), read_mappings()
    reversed_, agnostic = mappings["reverse time"], mappings["reverse time agnostic"]
    expected = [names.index(reversed_.get(name, name)) if name in {*reversed_, *agnostic} else -1 for name in names]
    assert reversed_classes(names).tolist() == expected
    assert len(reversed_) == 35 and len(agnostic) == 37 and expected.count(-1) == 102


def test_time_reversal_of_some_templates():
    names = [
        "Opening something",
        "Pushing something from left to right",
        "Holding something",
        "Closing something",
        "Pulling something from right to left",
        "Tearing something into two pieces",
    ]
    backwards = reversed_classes(names)
    assert backwards.tolist() == [3, 4, 2, 0, 1, -1] and backwards.dtype == np.int64


def test_the_template_that_goes_one_way():
    """What is lifted and stays up is put down, backwards; what is put down is picked up."""
    names = [LIFTING, "Picking something up", "Putting something on a surface"]
    assert reversed_classes(names).tolist() == [2, 2, 1]


def test_a_template_without_its_partner_and_an_unknown_class_are_never_reversed():
    assert reversed_classes(["Opening something", "Holding something", "juggling", "left"]).tolist() == [-1, 1, -1, -1]


def test_mirror_and_reversal_of_ssv2_can_be_done_in_either_order():
    """Where both are known: a clip backwards in a mirror is the mirrored clip backwards."""
    names = read_templates()
    mirrored, backwards = flipped_classes(names), reversed_classes(names)
    known = np.flatnonzero(backwards >= 0)
    np.testing.assert_array_equal(mirrored[backwards[known]], backwards[mirrored[known]])


def test_a_given_reversal_map_goes_both_ways_and_nothing_else_is_reversed():
    one_way = {"turn_clockwise": "turn_counter", "wave": "wave"}
    for given in (one_way, one_way | {"turn_counter": "turn_clockwise"}):
        assert reversed_classes(TURNS, given).tolist() == [3, -1, 2, 0]
    assert reversed_classes(["Opening something", "Closing something"], {}).tolist() == [-1, -1]
    assert reversed_classes(TURNS[:3], {"turn_clockwise": "turn_counter"}).tolist() == [-1, -1, -1]


def test_a_given_reversal_may_have_another_way_back():
    names = ["lift", "pick", "put"]
    assert reversed_classes(names, {"lift": "put", "pick": "put", "put": "pick"}).tolist() == [2, 2, 1]
    with pytest.raises(ValueError, match="must say what 'put' becomes.*Received: 'lift' and 'pick'"):
        reversed_classes(names, {"lift": "put", "pick": "put"})
    assert reversed_classes(names[:2], {"lift": "put", "pick": "put"}).tolist() == [-1, -1]


def test_mirrored_views_are_averaged_after_their_columns_are_put_back():
    """Defect 2: a push to the left, sure of itself in both views, which in a mirror goes to the right."""
    becomes = flipped_classes(["push left", "hold", "push right"])
    plain, mirrored = np.array([[0.9, 0.1, 0.0]]), np.array([[0.0, 0.1, 0.9]])
    np.testing.assert_array_equal(exchange_columns(mirrored, becomes), plain)
    np.testing.assert_allclose((plain + exchange_columns(mirrored, becomes)) / 2, [[0.9, 0.1, 0.0]])
    assert ((plain + mirrored) / 2).max() == 0.45  # what averaging without it makes of it


def test_columns_are_exchanged_whatever_comes_before_them():
    scores = np.random.default_rng(0).random((2, 3, 5, 4))
    exchanged = exchange_columns(scores, np.array([1, 0, 2, 3]))
    np.testing.assert_array_equal(exchanged[..., 0], scores[..., 1])
    np.testing.assert_array_equal(exchanged[..., 2:], scores[..., 2:])
    np.testing.assert_array_equal(exchange_columns(exchanged, np.array([1, 0, 2, 3])), scores)


def test_scores_of_a_class_without_a_mirror_image_cannot_be_put_back():
    """Defect 2: -1 as an index would take the last class's score."""
    becomes = flipped_classes(["hold", "push left", "wave"])
    with pytest.raises(ValueError, match=r"every class has its mirror image.*Received: none for the classes \[1\]"):
        exchange_columns(np.ones((2, 3)), becomes)


def test_a_map_that_is_not_its_own_inverse_cannot_be_put_back():
    becomes = reversed_classes([LIFTING, "Picking something up", "Putting something on a surface"])
    with pytest.raises(ValueError, match=r"in pairs.*Received: \[2, 2, 1\]"):
        exchange_columns(np.ones((2, 3)), becomes)
    with pytest.raises(ValueError, match="an entry per column.*Received: 2"):
        exchange_columns(np.ones((2, 3)), np.array([0, 1]))
