"""Measurements that back the library's claims, each a command of `sngd bench`."""

from sngd.bench._precision import precision

__all__ = ["precision"]
