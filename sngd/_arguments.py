"""Checks of arguments, and the text of a value in a message."""

import inspect
import numbers
from typing import Any

# The largest length of the text of a value in a message.
_LENGTH = 80


def shown(value: Any) -> str:
    """The text of a value in a message: the name of a class or a function, or the text of any other object."""
    if inspect.isclass(value):
        return f"the class {value.__name__}"
    if inspect.isroutine(value):
        return f"the function {value.__name__}"
    text = repr(value)
    return text if len(text) <= _LENGTH else f"an object of type {type(value).__name__}"


def require_integer(name: str, value: Any, *, least: int) -> None:
    """Raises `TypeError` for anything but an integer, and `ValueError` for an integer below `least`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{name} is {shown(value)}; it must be an integer")
    if value < least:
        raise ValueError(f"{name} is {value}; it must {'not be negative' if least == 0 else f'be at least {least}'}")


def require_number(name: str, value: Any) -> None:
    """Raises `TypeError` for anything but a real number."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{name} is {shown(value)}; it must be a number")


def require_text(name: str, value: Any) -> None:
    """Raises `TypeError` for anything but a text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {shown(value)}; it must be a text")
