"""The command line: parse, call, print."""

from sngd.cli._main import main

__all__ = ["main"]
