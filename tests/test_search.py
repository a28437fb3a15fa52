"""Searches on losses with known minima, against SciPy."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from sngd.descent import Ray
from sngd.search import FixedStep, GainRatio, GridSearch, LossAlong

# Updates are `(-3 t, -t)`.
RAY = Ray(jnp.array([3.0, 1.0]), jnp.asarray(2.0), jnp.asarray(2.0), jnp.asarray(1.0))


@eqx.filter_jit
def compiled_choice(search, loss, largest, state):
    at = lambda t: loss(t) if largest is None else loss(t, largest)
    return search.choose(LossAlong(lambda update: at(-update[1]), RAY, at(jnp.zeros(())), at_once=11), state)


def choose(search, loss, largest=None, *, bound=None, **state):
    """What the search picks along the ray where the loss at `t` is `loss(t)`, or `loss(t, largest)`, once its update is
    found to be that.
    """
    begun = search.init(80, 120)
    begun = (
        dataclasses.replace(begun, **{name: jnp.asarray(value) for name, value in state.items()}) if state else begun
    )
    begun = begun if bound is None else search.allow_increase(begun, bound)
    largest = None if largest is None else jnp.asarray(largest)
    choice, _ = compiled_choice(search, loss, largest, begun)
    jax.effects_barrier()
    assert choice.step_size == 0 or np.array_equal(choice.update, RAY.update(choice.step_size))
    return choice


# Where losses were asked for that note it.
TRIED = []


def note(t):
    jax.debug.callback(lambda t: TRIED.append(float(t)), t)


@pytest.fixture
def tried():
    TRIED.clear()
    return TRIED


@pytest.mark.parametrize("minimum", [1.0, 0.7, 3e-2, 2e-5, 4e-8])
def test_grid_finds_minima_of_all_magnitudes(minimum):
    loss = lambda t: jnp.log(t / minimum + 1e-30) ** 2
    choice = choose(GridSearch(), loss)
    found = minimize_scalar(lambda s: float(loss(np.exp(s))), bounds=(np.log(1e-9), 0), method="bounded")
    assert abs(np.log(choice.step_size) - found.x) < np.log(4) / 7
    np.testing.assert_allclose(choice.value, loss(choice.step_size), rtol=1e-12)


def test_grid_takes_the_lower_of_two_valleys():
    loss = lambda t: jnp.minimum((t - 0.6) ** 2 + 0.1, jnp.log(t / 1e-4 + 1e-30) ** 2 / 20)
    np.testing.assert_allclose(choose(GridSearch(), loss).step_size, 1e-4, rtol=0.3)


def test_no_step_where_nothing_is_lower():
    choice = choose(GridSearch(), lambda t: t)
    assert choice.step_size == 0
    assert choice.value == 0


def test_losses_that_are_not_finite_never_win():
    loss = lambda t: jnp.where(t > 0.5, jnp.nan, jnp.where(t > 0.1, -jnp.inf, (t - 0.05) ** 2))
    choice = choose(GridSearch(), loss)
    assert 0.03 < choice.step_size < 0.08
    assert choose(GridSearch(), lambda t: jnp.where(t > 0, jnp.nan, 0.0)).step_size == 0


def test_equal_losses_give_the_larger_step():
    assert choose(GridSearch(refinements=0), jnp.zeros_like).step_size == 1


def test_fixed_step_is_taken_whatever_it_does():
    choice = choose(FixedStep(0.25), lambda t: t)
    assert (choice.step_size, choice.value) == (0.25, 0.25)


@pytest.mark.parametrize("bisect", [False, True])
def test_gain_ratio_takes_the_boldest_step_that_has_the_gain_ratio(bisect):
    """The ray predicts `2 t - t^2`; the loss keeps all of it up to 0.1, and nothing beyond."""
    loss = lambda t: jnp.where(t <= 0.1, 5 - (2 * t - t**2), 6.0)
    choice = choose(GainRatio(fraction=0.5, bisect=bisect), loss)
    np.testing.assert_allclose(choice.step_size, 0.1, rtol=1e-12)
    # A tenth of what was predicted is enough for a fraction below that only.
    short = lambda t: 5 - (2 * t - t**2) / 10
    assert choose(GainRatio(fraction=0.05, bisect=bisect), short).step_size == 1
    # After a nonmonotone step two fifths of the fraction are: of 0.2, but not of 0.3.
    kept = lambda t: jnp.where(t <= 0.1, 5 - (2 * t - t**2), short(t))
    assert choose(GainRatio(fraction=0.2, bisect=bisect), kept, relaxed=True).step_size == 1
    for fraction, relaxed in ((0.2, False), (0.3, True)):
        choice = choose(GainRatio(fraction=fraction, bisect=bisect), kept, relaxed=relaxed)
        np.testing.assert_allclose(choice.step_size, 0.1, rtol=1e-12)
    lowest = choose(GainRatio(fraction=0.5, bisect=bisect), short)
    assert lowest.step_size == 1, "the lowest loss, where no step has the gain ratio"


@pytest.mark.parametrize("bisect", [False, True])
def test_gain_ratio_refuses_what_is_not_lower(bisect):
    search = GainRatio(bisect=bisect)
    for loss in (lambda t: 1 + t, lambda t: jnp.where(t > 0, jnp.nan, 1.0), lambda t: jnp.where(t > 0, -jnp.inf, 1.0)):
        choice = choose(search, loss)
        assert (choice.step_size, choice.value) == (0, 1)


@pytest.mark.parametrize("bisect", [False, True])
def test_a_nonmonotone_step_goes_to_a_higher_loss(bisect):
    loss = lambda t: jnp.where(t > 0.5, jnp.nan, 1 + 1e3 * t)
    choice = choose(GainRatio(bisect=bisect), loss, bound=101 * (1 + 1e-12))
    np.testing.assert_allclose(choice.step_size, 0.1, rtol=1e-12)
    np.testing.assert_allclose(choice.value, 101, rtol=1e-12)


def kept_or_not_finite(t, largest):
    note(t)
    return jnp.where(t <= largest, 5 - (2 * t - t**2), jnp.nan)


@pytest.mark.parametrize("damping", [0.0, 10.0, 1e5, 1e16, 1e30])
@pytest.mark.parametrize("largest", [1.0, 0.7, 0.1, 3e-5, 1e-16, 1e-20])
def test_bisection_finds_what_trying_all_finds_with_fewer_losses(largest, damping, tried):
    """Steps up to `largest` have the gain ratio, and none beyond; wherever the last step was."""
    choice = choose(GainRatio(bisect=True), kept_or_not_finite, largest, damping=damping)
    # The first one is that at the start.
    assert len(tried) - 1 <= (2 if damping * largest == 1 else 12)
    expected = choose(GainRatio(bisect=False), kept_or_not_finite, largest)
    assert (float(choice.step_size), float(choice.value)) == (float(expected.step_size), float(expected.value))


@pytest.mark.parametrize(("kept", "losses"), [(0.8, 2), (0.7, 1)])
def test_bisection_goes_on_from_steps_that_keep_three_quarters_of_the_predicted_reduction(kept, losses, tried):
    """The ray predicts `2 t - t^2`; 0.1, where the search begins, keeps this much of it, and 0.3 nothing."""

    def loss(t):
        note(t)
        return jnp.where(t <= 0.11, 5 - kept * (2 * t - t**2), 6.0)

    choice = choose(GainRatio(bisect=True), loss, damping=10.0)
    np.testing.assert_allclose(choice.step_size, 0.1, rtol=1e-12)
    assert len(tried) - 1 == losses


def kept_or_higher(t, largest):
    note(t)
    return jnp.where(t <= largest, 5 - (2 * t - t**2), 8.0)


@pytest.mark.parametrize("largest", [1.0, 0.1, 3e-5, 1e-9, 1e-16, 0.0])
@pytest.mark.parametrize("bound", [None, 7.0])
def test_smaller_steps_are_tried_only_where_larger_ones_fail(largest, bound, tried):
    """Against the rule on all losses at once: 8 above `largest`, and what the ray predicts below."""
    choice = choose(GainRatio(bisect=False), kept_or_higher, largest, bound=bound)
    sizes = 10 ** (-np.arange(33) / 2)
    values = np.where(sizes <= largest, 5 - (2 * sizes - sizes**2), 8.0)
    found = np.flatnonzero((values < 5) | (values <= (bound or -np.inf)))
    np.testing.assert_allclose(choice.step_size, sizes[found[0]] if len(found) else 0.0, rtol=1e-12)
    assert len(tried) - 1 == 11 * (found[0] // 11 + 1 if len(found) else 3)


def test_losses_are_bisected_where_they_are_expensive():
    assert not GainRatio().init(600, 1341).bisects
    assert GainRatio().init(900, 1_085_761).bisects
    assert GainRatio().trials(900, 1_085_761) < GainRatio().trials(600, 1341)
    assert not GainRatio(bisect=False).init(900, 1_085_761).bisects


@pytest.mark.parametrize("bisect", [False, True])
def test_one_step_alone_may_raise_the_loss_and_the_next_ones_are_bolder(bisect):
    search = GainRatio(bisect=bisect)
    begun = search.allow_increase(search.init(80, 120), 101.0)
    _, state = compiled_choice(search, lambda t: 1 + 1e3 * t, None, begun)
    assert state.bound == -np.inf
    assert state.relaxed


@pytest.mark.parametrize("search", [GridSearch(), FixedStep(0.5)])
def test_a_search_without_nonmonotone_steps_says_so(search):
    assert not search.allows_increase
    with pytest.raises(NotImplementedError, match="takes no step that raises the loss"):
        search.allow_increase(search.init(80, 120), 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GainRatio(fraction=0.0), "fraction is 0.0"),
        (lambda: GainRatio(smallest=2.0), "smallest is 2.0"),
        (lambda: GridSearch(smallest=0.0), "smallest is 0.0"),
        (lambda: GridSearch(ratio=1.0), "ratio is 1.0"),
        (lambda: GridSearch(refinements=-2), "refinements is -2"),
        (lambda: GridSearch(refinements=3), "refinements is 3; it must be even"),
        (lambda: FixedStep(1.5), "step_size is 1.5"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
