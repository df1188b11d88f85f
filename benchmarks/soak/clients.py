"""The clients: each does one thing at a time, of which a client of a real site does its share.

What a client does is drawn from a generator of its own, so a seed gives the same clients again. A
client that behaves expects an answer, and raises `Surprise` if it is another.
"""

import asyncio
import random
import socket
import struct
from contextlib import asynccontextmanager, suppress

from . import FILE_BYTES, LINES

PATIENCE = 60
"""Seconds for one exchange: what takes longer on a busy machine hangs."""

STREAMS = ("/events/", "/silence/", "/flood/", "/lines/", "/lines-of-thread/")
BLOCK = bytes(64 * 1024)
RESET = struct.pack("ii", 1, 0)
"""Linger for no time: closing sends a reset."""


class Surprise(Exception):
    """A client did not get what it was right to expect."""


async def behave(port, seed, until, done):
    """Is one client until that time of the loop; counts in `done` what it has done."""
    choose = random.Random(seed)
    loop = asyncio.get_running_loop()
    while loop.time() < until:
        act = choose.choice(ACTS)
        async with asyncio.timeout(PATIENCE), connected(port, choose) as connection:
            await act(connection)
        done[act.__name__] += 1


@asynccontextmanager
async def connected(port, choose):
    """Yields a connection; the server may hang up whenever it likes, and so does the client."""
    sock = socket.socket()
    sock.setblocking(False)
    # Small: a client that stalls is to be felt at once.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=64 * 1024)
    try:
        with suppress(ConnectionError):
            yield Connection(reader, writer, choose)
    finally:
        if choose.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


class Connection:
    """A client's side of a connection."""

    def __init__(self, reader, writer, choose):
        self.reader = reader
        self.writer = writer
        self.choose = choose

    async def ask(self, path, method="GET", headers=""):
        await self.send(f"{method} {path} HTTP/1.1\r\nHost: soak\r\n{headers}\r\n".encode())

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *statuses):
        """Returns the headers of an answer; raises `Surprise` if it has another status."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise Surprise(f"hung up instead of {statuses}: {error.partial!r}") from error
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        if int(first.split()[1]) not in statuses:
            raise Surprise(f"{first!r} instead of {statuses}")
        return dict(line.lower().split(": ", 1) for line in lines)

    async def body(self, headers):
        """Returns the body of an answer; raises `IncompleteReadError` if it is broken off."""
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)
        return body

    async def glance(self):
        """Reads a little of what comes, and has enough."""
        for _ in range(self.choose.randrange(1, 10)):
            if not await self.reader.read(16 * 1024):
                return

    async def glance_in_passing(self):
        """The same of what may never come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.choose.uniform(0, 0.5)):
                await self.glance()

    async def pause(self):
        await asyncio.sleep(self.choose.uniform(0, 0.5))


async def come_and_go(connection):
    await connection.ask(connection.choose.choice(STREAMS))
    await connection.answer(200)
    await connection.glance()


async def go_at_once(connection):
    await connection.ask(connection.choose.choice((*STREAMS, "/file/")))
    if connection.choose.random() < 0.5:
        await asyncio.sleep(0)


async def stall(connection):
    await connection.ask(connection.choose.choice(("/flood/", "/lines-of-thread/", "/file/")))
    connection.writer.transport.pause_reading()
    await connection.pause()


async def half_close(connection):
    await connection.ask(connection.choose.choice(STREAMS))
    connection.writer.write_eof()
    await connection.glance()


async def read_lines(connection):
    """Several, over one connection that is kept."""
    for _ in range(connection.choose.randrange(1, 4)):
        await connection.ask(connection.choose.choice(("/lines/", "/lines-of-thread/")))
        body = await connection.body(await connection.answer(200))
        if (lines := body.count(b"\n")) != LINES:
            raise Surprise(f"{lines} lines instead of {LINES}")


async def see_a_failure(connection):
    await connection.ask(connection.choose.choice(("/lines/?fail", "/lines-of-thread/?fail")))
    headers = await connection.answer(200)
    try:
        await connection.body(headers)
    except asyncio.IncompleteReadError:
        return
    raise Surprise("a stream that failed looks whole")


async def download(connection):
    await connection.ask("/file/")
    headers = await connection.answer(200)
    if connection.choose.random() < 0.3:
        await connection.glance()
    elif len(await connection.body(headers)) != FILE_BYTES:
        raise Surprise("the file has another length")


async def download_ranges(connection):
    choose = connection.choose
    first = choose.randrange(FILE_BYTES)
    ranges = {
        f"bytes={first}-": (206,),
        f"bytes=-{choose.randrange(1, FILE_BYTES)}": (206,),
        f"bytes={first}-{first + choose.randrange(10_000)}": (206,),
        f"bytes=0-99,{first}-{first + 99},-100": (206,),
        f"bytes={FILE_BYTES}-": (416,),
        f"lines={first}-": (200,),
        "bytes=nonsense": (200, 416),
    }
    for asked in choose.sample(sorted(ranges), 3):
        await connection.ask("/file/", headers=f"Range: {asked}\r\n")
        await connection.body(await connection.answer(*ranges[asked]))


async def upload(connection):
    """Some are sent whole, to be counted; some in chunks, to be saved; and some with pauses."""
    choose, blocks = connection.choose, connection.choose.randrange(1, 20)
    is_counted = choose.random() < 0.5
    if is_counted:
        await connection.ask("/count/", "POST", f"Content-Length: {blocks * len(BLOCK)}\r\n")
    else:
        await connection.ask("/save/", "POST", "Transfer-Encoding: chunked\r\n")
    for _ in range(blocks):
        await connection.send(BLOCK if is_counted else b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK))
        if choose.random() < 0.1:
            await connection.pause()
    if not is_counted:
        await connection.send(b"0\r\n\r\n")
    await connection.body(await connection.answer(200 if is_counted else 201))


async def break_an_upload_off(connection):
    path = connection.choose.choice(("/count/", "/save/"))
    await connection.ask(path, "POST", f"Content-Length: {20 * len(BLOCK)}\r\n")
    for _ in range(connection.choose.randrange(10)):
        await connection.send(BLOCK)
    if connection.choose.random() < 0.5:
        await connection.pause()


async def talk_nonsense(connection):
    choose = connection.choose
    nonsense = choose.randbytes(choose.randrange(1, 5000))
    post = b"POST %s HTTP/1.1\r\nHost: soak\r\n%s\r\n\r\n%s"
    form = b"Content-Length: 100000\r\nContent-Type: multipart/form-data; boundary=x"
    before = (
        b"",
        b"GET /events/ HTTP/1.1\r\n",
        b"GET /events/ HTTP/1.1\r\nHost: soak\r\n\r\n",
        b"GET /%ff%00/ HTTP/1.1\r\nHost: soak\r\nRange: bytes=-\r\nAccept: ;;q\r\n\r\n",
        post % (b"/count/", b"Transfer-Encoding: chunked", b""),
        post % (b"/save/", form, b"--x\r\n"),
    )
    await connection.send(choose.choice(before) + nonsense)
    await connection.glance_in_passing()


ACTS = (
    come_and_go,
    go_at_once,
    stall,
    half_close,
    read_lines,
    see_a_failure,
    download,
    download_ranges,
    upload,
    break_an_upload_off,
    talk_nonsense,
)
