"""500 MB, in blocks that look like those of a compressed file: with CR and LF anywhere."""

import random

BLOCK = random.Random(7578).randbytes(2**20)
BLOCKS = 477
BYTES = len(BLOCK) * BLOCKS
