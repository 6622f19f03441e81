"""`python -m clearfundus`: the same as the command `clearfundus`."""

import sys

from clearfundus.interfaces.cli import main

sys.exit(main())
