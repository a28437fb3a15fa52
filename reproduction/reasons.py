"""Why our numbers differ from the paper's: sentences for the claims, each only where our cells show what it says."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from reproduction.measured import Measured, rounded, scientific, span
from reproduction.theory import Check
from reproduction.verdicts import SCATTER, called, mean_rank, place

TIMES = (
    "The paper's times are of a GPU (NVIDIA A100), ours of CPU cores. So only ratios of times are compared, and these "
    "depend on the device too. Iterations that a run did not make count with the median time of those that it made."
)


def unsettled(measured: Sequence[Measured]) -> list[str]:
    """The runs whose errors could still fall when their budgets ended them."""
    told: dict[str, list[str]] = defaultdict(list)
    for item in measured:
        made = [result["iterations"] for result in item.unsettled]
        if made:
            runs = f"{len(made)} of {len(item.finished)} runs, {span(made, ',')} of {item.line.iterations:,} iterations"
            told[place(item)].append(f"{called(item)} ({runs})")
    if not told:
        return []
    listed = "; ".join(f"{where}: {', '.join(runs)}" for where, runs in told.items())
    return [f"A budget ended runs whose errors could still fall. {listed}."]


def start(measured: Sequence[Measured]) -> list[str]:
    """How far optimizers without a sketch are from the paper, which shows what the initial network contributes."""
    ratios = _ratios(measured)
    if all(1 / SCATTER <= ratio <= SCATTER for ratio in ratios.values()):
        return []
    told = " and ".join(f"{rounded(ratio)} ({optimizer})" for optimizer, ratio in ratios.items())
    return [
        f"{place(measured[0])}: the medians of optimizers without a sketch are {told} times the paper's. So the "
        "initial network and the points, which the paper does not state, contribute to the differences."
    ]


def tolerance(checks: Sequence[Check]) -> list[str]:
    """What the truncation tolerance does to the order of SNGD and ENGD for an energy."""
    shown = [check.computed for check in checks if check.source == "section 5.3" and check.holds]
    return [
        "The truncation tolerance decides the order of SNGD and ENGD. ENGD cuts eigenvalues at the machine precision "
        "times the number of parameters, and SNGD at a larger number. With a smaller one SNGD is more accurate than "
        f"ENGD. We computed {computed}."
        for computed in shown
    ]


def energy_search(bfgs: Measured) -> list[str]:
    """Why BFGS may end above the paper's error for an energy."""
    return [
        f"BFGS has {rounded(ratio)} times the paper's median. A likely cause, which was not measured, is its line "
        "search. It compares values of the energy, whose differences are lost in rounding errors earlier than the "
        "gradient."
        for ratio in _ratios([bfgs]).values()
        if ratio > SCATTER
    ]


def accurate_elsewhere(measured: Sequence[Measured]) -> list[str]:
    """Which optimizers without a sketch have smaller errors here than in the paper."""
    better = [optimizer for optimizer, ratio in _ratios(measured).items() if ratio < 1 / SCATTER]
    told = [
        f"{scientific(item.median)} with {called(item)} ({scientific(item.published_median)} in the paper)"
        for item in measured
        if called(item) in better
    ]
    if not told:
        return []
    return [
        f"Optimizers without a sketch have smaller median errors here: {' and '.join(told)}. A likely cause, which was "
        "not measured, is the initial network. The frequencies of its first layer suit the equation (docs/choices.md)."
    ]


def fits_points_only(measured: Sequence[Measured]) -> list[str]:
    """In how many runs the equation holds at the points only."""
    told = []
    for item in measured:
        count = sum(result["result"] == "fits its points only" for _, result in item.finished)
        if count:
            told.append(f"{count} of {len(item.finished)} runs of {called(item)}")
    if not told:
        return []
    return [
        f"The equation holds at the points, but not between them, in {', '.join(told)}. Such runs need more points, "
        "not more iterations."
    ]


def higher_ranks(ranks: Mapping[str, tuple[Measured, float]]) -> list[str]:
    """How far the ranks under an optimizer are above the paper's.

    - `ranks`: the runs and the mean rank of the paper, by a name.
    """
    ratios = {name: mean / published for name, (item, published) in ranks.items() if (mean := mean_rank(item))}
    told = [f"{rounded(ratio)} ({name})" for name, ratio in ratios.items()]
    if all(ratio < SCATTER for ratio in ratios.values()):
        return []
    return [
        f"The ranks under ENGD are {' and '.join(told)} times the paper's. Ours are counted from the singular values "
        "of the factor, because rounding errors hide such eigenvalues in the Gramian itself. The paper says neither "
        "how it counts nor which initial networks it has."
    ]


def _ratios(measured: Sequence[Measured]) -> dict[str, float]:
    """Our median over the paper's, by the optimizer in words."""
    return {
        called(item): item.median / item.published_median
        for item in measured
        if item.median is not None and item.published_median is not None
    }
