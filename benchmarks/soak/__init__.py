"""A soak: clients that come, stall and go for minutes, of which nothing may be left in the end."""

FILE_BYTES = 3_000_000
LINES = 500
