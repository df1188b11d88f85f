"""What the items of the streams look like on the wire, format by format, written down by hand."""

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
