"""What the items of the streams look like on the wire, format by format, written down by hand."""

import msgspec

FIRST = {
    "text": b"first",
    "jsonl": b'"first"\n',
    "msgpack": b"\xa5first",
    "event-stream": b"data: first\n\n",
}
SECOND = {
    "text": b"second",
    "jsonl": b'"second"\n',
    "msgpack": b"\xa6second",
    "event-stream": b"data: second\n\n",
}
ERROR = {
    "text": b"",
    "jsonl": b'{"error":"the stream failed"}\n',
    "msgpack": b"\x81\xa5error\xb1the stream failed",
    "event-stream": b'event: error\ndata: {"error":"the stream failed"}\n\n',
}
MUCH_LINE = b'"' + b"x" * 999 + b'\\n"\n'
"""What the JSON lines of `much-failing` look like."""

FRAME_SIZES = [*range(500), 2**16, 3 * 2**20, 1]
"""Characters of the strings that `frames` sends."""


class Hound(msgspec.Struct):
    """What the items of `any-format` are."""

    name: str
    age: int


HOUNDS = [Hound(f"Hound {n}", n % 20) for n in range(300)]
