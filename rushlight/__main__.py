"""`python -m rushlight`: the command line of rushlight.cli."""

import sys

from rushlight.cli import main

sys.exit(main())
