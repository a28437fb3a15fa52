"""The entry point of `python -m sngd.cli`, which is the same as that of the command `sngd`."""

import sys

from sngd.cli._main import main

if __name__ == "__main__":
    sys.exit(main())
