"""How much memory this process takes, as far as the standard library can tell."""

import os
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has none.
    resource = None

STATM = Path("/proc/self/statm")
"""On Linux: https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html"""


def process_memory() -> dict[str, int] | None:
    """Returns the bytes that are resident `now` or, where only that is known, were so at `most`.

    None where the system tells neither without a further library, as Windows does.
    """
    if STATM.exists():
        pages = int(STATM.read_text().split()[1])
        return {"now": pages * os.sysconf("SC_PAGE_SIZE")}
    if resource is None:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"most": most if sys.platform == "darwin" else most * 1024}  # macOS counts bytes.
