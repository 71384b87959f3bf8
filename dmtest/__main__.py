"""Run the command line: ``python -m dmtest``."""

import sys

from dmtest.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
