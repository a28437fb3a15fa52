"""`python -m sngd.cli`."""

import sys

from sngd.cli._main import main

if __name__ == "__main__":
    sys.exit(main())
