"""Where the text of the paper and the results of the reproduction differ."""

from reproduction.table import Table


def misprints() -> Table:
    """The misprints of the paper, with what was found in their place."""
    rows = (
        ("eq. (11)", "-grad u = f", "The operator is the Laplacian."),
        ("eq. (12)", "f = pi^2 cos(pi x) cos^3(pi x)", "cos(pi x) needs the sum, pi^2 cos(pi x) + cos^3(pi x)."),
        ("table 1, A3, two-pass", "median 1.49e-7, maximum 1.99e-8", "A median lies below the maximum."),
        (
            "table 2",
            "BFGS and two-pass: 1.10 and 1.86 minutes each",
            "Two optimizers have the same times on two networks.",
        ),
        (
            "section 5.3",
            "1,341 parameters",
            "With one input, four hidden layers of 20 have 1,321; 1,341 is the count for two inputs.",
        ),
        (
            "appendix B",
            "kappa(M1) = 3 for all N",
            "It tends to 3 for the hats inside the interval, and to 4 with the half hat at 1, which the space has.",
        ),
        (
            "appendix B",
            "K2 = -(N/2) D2^-1, last row 2 c_(N-1) - c_(N-2)",
            "K2 = -(2/N) D2^-1, last row c_(N-2) - 2 c_(N-1): two powers of h are dropped, and the row has the other "
            "sign.",
        ),
    )
    notes = (
        "The paper does not state points, activation, initialization, the first sketch, the line search or Adam's "
        "learning rate; docs/choices.md says what is taken here.",
    )
    return Table("Misprints of the paper", ("where", "printed", "found"), rows, notes)
