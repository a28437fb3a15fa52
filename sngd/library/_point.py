"""The argument of equations, data and exact solutions."""

from jaxtyping import Array, Float

Point = Float[Array, " d"]
