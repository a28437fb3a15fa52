"""Measurements that back the library's claims: `python -m benchmarks NAME`."""
