"""Which of the named regions of a domain the conditions on pieces of its boundary belong to."""

import numpy as np

import sngd

LAYERS = sngd.layers("y", copper=(0, 1), steel=(1, 3), x=(0, 2), t=(0, 1))


def owners(*conditions):
    problem = sngd.Problem(LAYERS, [sngd.Interior(lambda u, x: u(x)), *conditions])
    return {each.within: problem.collocation(each) for each in problem.conditions[2:]}


def test_a_face_of_several_layers_has_a_condition_for_each():
    found = owners(sngd.Dirichlet(0.0, on=LAYERS.faces("x")))
    assert sorted(found) == ["copper", "steel"]
    assert np.all(found["copper"].points[:, 2] <= 1)
    assert np.all(found["steel"].points[:, 2] >= 1)
    np.testing.assert_allclose([each.weights.sum() for each in found.values()], [2.0, 4.0])


def test_a_predicate_chooses_a_layer():
    found = owners(sngd.Neumann(0.0, on=LAYERS.face("x", "lower").where(lambda x: x[2] > 1)))
    assert list(found) == ["steel"]
    np.testing.assert_allclose(found["steel"].weights.sum(), 2.0)


def test_layers_have_a_first_and_a_last_instant():
    assert LAYERS.axes == ("t", "x", "y")
    start = owners(sngd.Initial(0.0))
    assert sorted(start) == ["copper", "steel"]
    np.testing.assert_allclose([each.weights.sum() for each in start.values()], [2.0, 4.0], rtol=1e-2)
    end = owners(sngd.Dirichlet(0.0, on=LAYERS.face("t", "upper")))
    assert all(np.all(each.points[:, 0] == 1) and np.all(each.normals[:, 0] == 1) for each in end.values())
