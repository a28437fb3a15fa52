"""The command line `sngd`: it parses arguments, calls the library and prints the result."""

from sngd.cli._main import main

__all__ = ["main"]
