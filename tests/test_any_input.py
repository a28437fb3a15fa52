"""Whatever problem, network and settings a user puts together: a run ends in a named result, or in a named refusal."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

import sngd
from sngd.networks import make_network
from sngd.solver import OPTIMIZERS, Result, Stopping, load, save

RULES = st.one_of(
    st.builds(sngd.GaussLegendre, st.integers(1, 4)),
    st.builds(sngd.UniformGrid, st.integers(2, 4)),
    st.builds(sngd.Midpoint, st.integers(1, 4)),
    st.builds(sngd.Sobol, st.sampled_from([4, 8])),
    st.builds(sngd.UniformRandom, st.integers(1, 9)),
)
NUMBERS = st.floats(-1e6, 1e6)


@st.composite
def problems(draw):
    """Linear, nonlinear and singular equations on boxes of one to three axes, of which one may be time."""
    bounds = {axis: draw(intervals()) for axis in "xyz"[: draw(st.integers(1, 3))]}
    in_time = draw(st.booleans())
    domain = sngd.space_time(t=draw(intervals()), **bounds) if in_time else sngd.box(**bounds)
    source, power = draw(NUMBERS), draw(st.sampled_from([-1, 0, 1, 2]))
    equation = sngd.Interior(lambda u, x: sngd.laplacian(u)(x) + u(x) ** power - source)
    value, alpha = draw(NUMBERS), draw(NUMBERS)
    others = [sngd.Dirichlet(value), sngd.Neumann(value), sngd.Robin(alpha, value), sngd.Dirichlet(value, of="v")]
    others += [sngd.Initial(value)] if in_time else []
    conditions = [equation, *draw(st.lists(st.sampled_from(others), max_size=2))]
    unknowns = ["u", "v"][: draw(st.integers(1, 2))]
    return sngd.Problem(domain, conditions, unknowns=unknowns, quadrature=draw(RULES))


@st.composite
def intervals(draw):
    lower, length = draw(NUMBERS), 10.0 ** draw(st.integers(-3, 3))
    return lower, lower + length


@st.composite
def networks(draw, problem):
    """By a text that may make no sense, or made, in one precision or the other, for as many outputs or not."""
    if draw(st.booleans()):
        return draw(st.sampled_from(["1x3", "2x5", "2-4-1", "3-1-2", "A0", "0x3", ""]))
    outputs = draw(st.sampled_from([problem.outputs, problem.outputs, 3]))
    made = make_network("1x3", problem.domain.bounds, outputs, key=jax.random.key(0))
    dtype = draw(st.sampled_from([jnp.float64, jnp.float64, jnp.float32]))
    return jax.tree.map(lambda leaf: leaf.astype(dtype), made)


SETTINGS = st.fixed_dictionaries(
    {"optimizer": st.sampled_from([*OPTIMIZERS, "sgd"])},
    optional={
        "error_every": st.integers(0, 2),
        "memory": st.sampled_from([0.0, 1e3, 1e9, float("nan")]),
        "devices": st.integers(-1, 2),
    },
)


def outcome(problem, network, iterations, options):
    """The solution, or what the refusal says."""
    try:
        return sngd.solve(problem, network, key=jax.random.key(0), stopping=Stopping(iterations), **options)
    except (TypeError, ValueError) as error:
        return str(error)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_run_ends_in_a_named_result_or_a_named_refusal(data, tmp_path_factory):
    problem = data.draw(problems())
    network, options = data.draw(networks(problem)), data.draw(SETTINGS)
    solution = outcome(problem, network, data.draw(st.integers(-1, 2)), options)
    event("refused" if isinstance(solution, str) else solution.result.value)
    if isinstance(solution, str):
        assert any(word in solution for word in (" is ", " has ", " returns ", " starts with ", " = ")), solution
        return
    assert solution.result in Result
    assert np.all(np.diff(solution.history.iteration) > 0)
    points = np.array([list(map(np.mean, problem.domain.bounds))])
    path = tmp_path_factory.mktemp("any") / "solution.npz"
    save(solution, path)
    again = load(path, problem)
    np.testing.assert_array_equal(again(points), solution(points))
    assert solution(points).shape == ((1,) if problem.outputs == 1 else (1, problem.outputs))
