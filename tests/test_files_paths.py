"""`files.paths`: what is opened is a regular file, and lies under the root."""

import errno
import io
import os
import socket
import tempfile
import threading
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given, settings
from hypothesis import strategies as st

from django_streams.exceptions import StreamError
from django_streams.files import paths
from django_streams.files.paths import open_beneath, open_local

SECRET = b"secret"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"a")
    (root / "sub" / "b.txt").write_bytes(b"b")
    (root / "sub" / "deep" / "c.txt").write_bytes(b"c")
    (root / ".env").write_bytes(SECRET)
    (root / ".git").mkdir()
    (root / ".git" / "config").write_bytes(SECRET)
    (tmp_path / "outside.txt").write_bytes(SECRET)
    (tmp_path / "root-2").mkdir()
    (tmp_path / "root-2" / "a.txt").write_bytes(SECRET)
    return root


def content(root, path, **options):
    with open_beneath(root, path, **options) as file:
        return file.read()


def assert_not_found(root, path, **options):
    with pytest.raises(FileNotFoundError) as raised:
        open_beneath(root, path, **options)
    assert raised.value.errno == errno.ENOENT
    assert not isinstance(raised.value, StreamError)


def test_files_under_the_root_are_opened(root):
    assert content(root, "a.txt") == b"a"
    assert content(str(root), "sub/b.txt") == b"b"
    assert content(str(root) + "/", "sub/deep/c.txt") == b"c"


def test_the_file_is_unbuffered_and_has_its_path_as_its_name(root):
    with open_beneath(root, "sub/b.txt") as file:
        assert type(file) is io.FileIO
        assert file.name == str((root / "sub" / "b.txt").resolve())
        assert not os.get_inheritable(file.fileno())
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"")


@pytest.mark.parametrize("path", ["x y.txt", "日本.txt", "a%2e.txt", "a..b", "b..", "~", "$HOME"])
def test_unusual_names_are_names(root, path):
    (root / path).write_bytes(b"there")
    assert content(root, path) == b"there"


HOSTILE = [
    "",
    ".",
    "..",
    "/",
    "//",
    "../outside.txt",
    "../root-2/a.txt",
    "..//outside.txt",
    "sub/../../outside.txt",
    "sub/../a.txt",
    "./a.txt",
    "sub/./b.txt",
    "/a.txt",
    "//a.txt",
    "sub//b.txt",
    "a.txt/",
    "a.txt/.",
    "a.txt/..",
    "a.txt/../a.txt",
    "sub/",
    "sub",
    "sub/deep",
    "/etc/passwd",
    "//etc/passwd",
    "../" * 50 + "etc/passwd",
    "....//....//etc/passwd",
    "..;/outside.txt",
    "..\\outside.txt",
    "..\\..\\etc\\passwd",
    "sub\\b.txt",
    "sub/..\\..\\outside.txt",
    "\\etc\\passwd",
    "C:\\Windows\\win.ini",
    "C:/Windows/win.ini",
    "C:a.txt",
    "\\\\server\\share\\a.txt",
    "//server/share/a.txt",
    "\\\\?\\C:\\a.txt",
    "file:///etc/passwd",
    "a.txt\0",
    "a.txt\0.png",
    "\0",
    "..\0/outside.txt",
    "a.txt ",
    "a.txt.",
    "a.txt\n",
    "A.TXT",
    "a.txt::$DATA",
    "missing.txt",
    "missing/a.txt",
    "a.txt/b.txt",
    # Django decodes once: what was encoded twice is a name with a percent sign.
    "%2e%2e/outside.txt",
    "%2e%2e%2foutside.txt",
    "..%2foutside.txt",
    "..%5coutside.txt",
    "%252e%252e%252foutside.txt",
    "sub%2fb.txt",
    "a%2etxt",
    "a.txt%00",
    "%c0%ae%c0%ae/outside.txt",
    # Look like dots and slashes, and some normalize to them.
    "\uff0e\uff0e/outside.txt",
    "..\u2215outside.txt",
    "..\uff0foutside.txt",
    "\u2025/outside.txt",
    "\u2024\u2024/outside.txt",
    # As `unquote` leaves an overlong or broken UTF-8; lone surrogates of either kind.
    "\ufffd\ufffd/outside.txt",
    "\udcae\udcae/outside.txt",
    "\ud800",
    "a.txt\udfff",
    "x" * 256,
    "x" * 100_000,
    "x/" * 50_000 + "x",
    "sub/" * 2000 + "a.txt",
    "../" * 100_000,
    "~/a.txt",
    "~root/.profile",
]


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: ascii(path)[:30])
@pytest.mark.parametrize("dot_files", [False, True])
def test_a_hostile_path_is_not_found(root, path, dot_files):
    assert_not_found(root, path, dot_files=dot_files)


@pytest.mark.parametrize(
    "sent",
    ["%2e%2e/outside.txt", "..%2foutside.txt", "%2e%2e%2foutside.txt", "..%5coutside.txt",
     "a.txt%00", "%c0%ae%c0%ae/outside.txt", "%ed%a0%80", "%ff%fe", "..%252foutside.txt"],
)  # fmt: skip
def test_a_hostile_url_is_not_found_after_it_was_decoded(root, sent):
    assert_not_found(root, unquote(sent))
    assert_not_found(root, unquote(sent, errors="surrogateescape"))


def test_dot_files_are_opened_only_if_they_are_allowed(root):
    for path in (".env", ".git/config"):
        assert_not_found(root, path)
        assert content(root, path, dot_files=True) == SECRET


def test_dot_directories_above_the_root_do_not_matter(root):
    assert content(root / ".git", "config") == SECRET


def test_links_inside_are_followed(root):
    (root / "link.txt").symlink_to("sub/b.txt")
    (root / "absolute.txt").symlink_to(root / "sub" / "b.txt")
    (root / "sub" / "up.txt").symlink_to("../a.txt")
    (root / "dir").symlink_to("sub/deep")
    (root / "chain.txt").symlink_to("link.txt")
    assert content(root, "link.txt") == b"b"
    assert content(root, "absolute.txt") == b"b"
    assert content(root, "sub/up.txt") == b"a"
    assert content(root, "dir/c.txt") == b"c"
    assert content(root, "chain.txt") == b"b"


def test_links_may_lead_to_hidden_directories_as_in_a_volume_of_kubernetes(root):
    (root / "..2024_01_01").mkdir()
    (root / "..2024_01_01" / "key").write_bytes(b"value")
    (root / "..data").symlink_to("..2024_01_01")
    (root / "key").symlink_to("..data/key")
    assert content(root, "key") == b"value"
    assert_not_found(root, "..data/key")


def test_links_out_of_the_root_are_not_followed(root, tmp_path):
    (root / "out.txt").symlink_to("../outside.txt")
    (root / "absolute.txt").symlink_to(tmp_path / "outside.txt")
    (root / "dir").symlink_to("..")
    (root / "neighbour").symlink_to("../root-2")
    (root / "chain.txt").symlink_to("out.txt")
    (root / "passwd").symlink_to("/etc/passwd")
    (root / "top").symlink_to("/")
    for path in (
        "out.txt",
        "absolute.txt",
        "dir/outside.txt",
        "neighbour/a.txt",
        "chain.txt",
        "passwd",
        "top/etc/passwd",
    ):
        assert_not_found(root, path)


def test_a_link_that_leaves_the_root_and_comes_back_stays_inside(root):
    (root / "round").symlink_to("../root/sub")
    assert content(root, "round/b.txt") == b"b"


def test_links_that_lead_nowhere_are_not_found(root):
    (root / "broken").symlink_to("nothing")
    (root / "loop").symlink_to("loop")
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    (root / "self").symlink_to(".")
    (root / "itself").symlink_to(root)
    for path in ("broken", "loop", "loop/a", "one", "self", "itself"):
        assert_not_found(root, path)
    assert content(root, "self/self/a.txt") == b"a"


def test_the_root_may_be_a_link(root, tmp_path):
    (tmp_path / "link").symlink_to("root")
    assert content(tmp_path / "link", "sub/b.txt") == b"b"
    assert_not_found(tmp_path / "link", "../outside.txt")


def test_the_root_may_be_the_root_of_the_system(root):
    assert content("/", str((root / "a.txt").resolve())[1:]) == b"a"


def test_a_root_that_does_not_exist_has_no_files(tmp_path):
    assert_not_found(tmp_path / "nothing", "a.txt")


def test_a_root_that_is_a_file_has_no_files(root):
    assert_not_found(root / "a.txt", "a.txt")


@pytest.mark.parametrize("root", ["", ".", "media", "./media", Path(), Path("media")])
def test_a_root_that_depends_on_the_working_directory_is_refused(root):
    with pytest.raises(ImproperlyConfigured, match="must be an absolute path"):
        open_beneath(root, "manage.py")


@pytest.fixture
def special(root):
    """Paths under the root of what is neither a file nor a directory."""
    os.mkfifo(root / "fifo")
    (root / "linked-fifo").symlink_to("fifo")
    here = os.getcwd()
    os.chdir(root)  # The path of a socket must be short.
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
            yield ["fifo", "linked-fifo", "socket"]
    finally:
        os.chdir(here)


def test_fifos_and_sockets_are_not_found(root, special):
    for path in special:
        assert_not_found(root, path)
        with pytest.raises(FileNotFoundError):
            open_local(root / path)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/dev/tty", "/dev/stdin", "/", "/etc"])
def test_devices_and_directories_are_not_found(path):
    with pytest.raises(FileNotFoundError):
        open_local(path)


def test_whoever_waits_at_a_fifo_is_not_woken(root, special):
    woken = threading.Event()

    def write():
        with open(root / "fifo", "wb"):
            woken.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert_not_found(root, "fifo")
        assert not woken.wait(0.2)
    finally:
        os.close(os.open(root / "fifo", os.O_RDONLY | os.O_NONBLOCK))
        writer.join()


def swap_before(monkeypatch, module, function, swap):
    """Calls `swap` between the check and what comes after it."""
    original = getattr(module, function)
    swaps = iter([swap])

    def swapping(*args, **kwargs):
        result = original(*args, **kwargs)
        if os.fspath(args[0]).endswith("b.txt"):
            next(swaps, lambda: None)()
        return result

    monkeypatch.setattr(module, function, swapping)


def test_a_directory_that_becomes_a_link_after_the_check_is_not_followed(
    root, tmp_path, monkeypatch
):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.txt").write_bytes(SECRET)

    def swap():
        (root / "sub").rename(tmp_path / "moved")
        (root / "sub").symlink_to(tmp_path / "other")

    swap_before(monkeypatch, os.path, "realpath", swap)
    assert_not_found(root, "sub/b.txt")
    assert (root / "sub").is_symlink()


@pytest.mark.parametrize("function", ["realpath", "stat"])
def test_a_file_that_becomes_a_link_after_the_check_is_not_followed(
    root, tmp_path, monkeypatch, function
):
    def swap():
        (root / "sub" / "b.txt").unlink()
        (root / "sub" / "b.txt").symlink_to(tmp_path / "outside.txt")

    swap_before(monkeypatch, os.path if function == "realpath" else os, function, swap)
    assert_not_found(root, "sub/b.txt")
    assert (root / "sub" / "b.txt").is_symlink()


def test_a_file_that_becomes_a_fifo_after_the_check_is_not_waited_for(root, monkeypatch):
    def swap():
        (root / "sub" / "b.txt").unlink()
        os.mkfifo(root / "sub" / "b.txt")

    swap_before(monkeypatch, os, "stat", swap)
    assert_not_found(root, "sub/b.txt")


def test_a_system_that_cannot_walk_opens_the_checked_path(root, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "supports_dir_fd", set())
    (root / "out.txt").symlink_to("../outside.txt")
    assert content(root, "sub/b.txt") == b"b"
    assert_not_found(root, "out.txt")
    assert_not_found(root, "sub")


@pytest.mark.parametrize("number", sorted(paths._ABSENT))
def test_what_the_path_is_to_blame_for_is_not_found(root, monkeypatch, number):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fail)
    assert_not_found(root, "a.txt")
    with pytest.raises(FileNotFoundError):
        open_local(root / "a.txt")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM])
def test_what_the_server_is_to_blame_for_is_raised(root, monkeypatch, number):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OSError, match=os.strerror(number)) as raised:
        open_beneath(root, "a.txt")
    assert not isinstance(raised.value, FileNotFoundError)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_no_descriptor_is_left_behind(root, special, monkeypatch):
    (root / "out").symlink_to("..")
    before = descriptors()
    for path in [*HOSTILE, *special, "out/outside.txt", "sub/deep/missing", "sub/deep"]:
        assert_not_found(root, path)
    content(root, "sub/deep/c.txt")
    monkeypatch.setattr(paths, "_check_regular", lambda status: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        open_beneath(root, "sub/deep/c.txt")
    assert descriptors() == before


def test_a_path_of_the_developer_may_lead_anywhere(root, tmp_path):
    (root / "out.txt").symlink_to("../outside.txt")
    for path in (root / "out.txt", str(root / ".env"), f"{root}/sub/../.env"):
        with open_local(path) as file:
            assert file.read() == SECRET
    for path in ("", "nothing", root / "nothing", "\0", "\ud800"):
        with pytest.raises(FileNotFoundError):
            open_local(path)


NAMES = st.sampled_from(["..", ".", "", "sub", "a.txt", "b.txt", "up", "out", "\\", "\0", "%2e%2e"])


@settings(deadline=None)
@given(st.lists(NAMES, max_size=7).map("/".join) | st.text())
def test_no_path_reaches_what_is_outside(path):
    with tempfile.TemporaryDirectory() as outside:
        root = Path(outside, "root")
        (root / "sub").mkdir(parents=True)
        Path(outside, "a.txt").write_bytes(SECRET)
        (root / "a.txt").write_bytes(b"inside")
        (root / "sub" / "b.txt").write_bytes(b"inside")
        (root / "sub" / "up").symlink_to("..")
        (root / "out").symlink_to("..")
        try:
            assert content(root, path) == b"inside"
        except FileNotFoundError:
            pass
