#!/usr/bin/env python3
"""Sets everything up and runs one task, with nothing but Python and pip: python3 dev.py TASK.

Every Python must be able to read this file, as far back as 2.7: an old one then answers with one
line instead of a syntax error. The tasks are in dev_tasks.py, which need not be so polite.
"""

import sys

if sys.version_info < (3, 11):
    found = (sys.executable, sys.version.split()[0])
    sys.exit("dev.py needs Python 3.11 or newer; %s is Python %s." % found)

from dev_tasks import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
