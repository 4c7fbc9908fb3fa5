"""The studio's server: who is let in, how much at once, what it reads, and how it begins and ends."""

import asyncio
import base64
import json
import signal
import socket
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
import uvicorn
from uvicorn.server import ServerState

import whygrad as wg
from browser import PATIENCE, wait_for
from command import whygrad
from whygrad.studio.server import connections, guard
from whygrad.studio.server.entry import Entry, doorway
from whygrad.studio.server.guard import Guard, confined, known_names
from whygrad.studio.server.site import Site

PORT = 8750
OWN = f"127.0.0.1:{PORT}"
ENTRY = Entry(PORT)
COOKIE = ("cookie", f"{ENTRY.cookie}={ENTRY.secret}")


# ── who is let in: the guard by itself ───────────────────────────────────────────────────────────────


class Inner:
    """An application that reads a request to its end, and keeps what came."""

    def __init__(self):
        self.scope, self.body, self.gone = None, b"", False

    async def __call__(self, scope, receive, send):
        self.scope = scope
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                raise RuntimeError("the client is gone")
            self.body += message.get("body", b"")
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"welcome"})


def ask(
    headers,
    *,
    kind="http",
    chunks=(b"",),
    limit=guard.LIMIT,
    own=True,
    path="/",
    query=b"",
    **named,
):
    """Send one request through a guard, with the cookie or without; give what came back, and the
    application behind it."""
    inner, sent = Inner(), []
    parts = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks)}
        for place, chunk in enumerate(chunks, start=1)
    ]

    async def receive():
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    given = [*headers, COOKIE] if own else headers
    pairs = [(name.encode(), value.encode()) for name, value in given]
    scope = {"type": kind, "method": "GET", "path": path, "query_string": query, "headers": pairs}
    asyncio.run(Guard(inner, ENTRY, limit=limit, **named)(scope, receive, send))
    return sent, inner


def status(sent):
    return next(message["status"] for message in sent if message["type"] == "http.response.start")


def body(sent):
    return b"".join(message.get("body", b"") for message in sent).decode()


LET_IN = [
    [("host", OWN)],
    [("host", f"localhost:{PORT}")],
    [("host", f"LOCALHOST:{PORT}")],
    [("host", f"[::1]:{PORT}")],
    [("host", OWN), ("origin", f"http://{OWN}")],
    [("host", OWN), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")],
    [("host", OWN), ("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
    # A link to the studio on another page may be followed.
    [("host", OWN), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
]
KEPT_OUT = [
    [],
    [("host", "")],
    [("host", "127.0.0.1")],
    [("host", "127.0.0.1:80")],
    [("host", f"127.0.0.1:{PORT}0")],
    [("host", f"127.0.0.1:+{PORT}")],
    [("host", f"evil.example:{PORT}")],
    [("host", f"127.0.0.1.evil.example:{PORT}")],
    [("host", f"127.0.0.1:{PORT}@evil.example:{PORT}")],
    [("host", f"10.0.0.1:{PORT}")],
    [("host", f"[::2]:{PORT}")],
    [("host", OWN), ("host", OWN)],
    [("host", OWN), ("host", "evil.example")],
    [("host", OWN), ("origin", "http://evil.example")],
    [("host", OWN), ("origin", f"https://{OWN}")],
    [("host", OWN), ("origin", "null")],
    [("host", OWN), ("origin", "")],
    [("host", OWN), ("origin", "http://127.0.0.1")],
    [("host", OWN), ("origin", f"http://localhost:{PORT + 1}")],
    [("host", OWN), ("origin", f"http://{OWN}"), ("origin", "http://evil.example")],
    [("host", OWN), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
    [("host", OWN), ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")],
    [("host", OWN), ("sec-fetch-site", "cross-site")],
    # What a proxy says of the host is not believed.
    [("host", f"evil.example:{PORT}"), ("x-forwarded-host", OWN)],
]


@pytest.mark.parametrize("headers", LET_IN)
def test_requests_of_the_own_page_are_let_in(headers):
    sent, inner = ask(headers)
    assert status(sent) == 200 and body(sent) == "welcome"
    sent, inner = ask(headers, kind="websocket")
    assert sent == [{"type": "websocket.accept"}]


@pytest.mark.parametrize("headers", KEPT_OUT)
def test_a_foreign_host_or_origin_is_refused_in_one_line_and_the_application_sees_nothing(headers):
    sent, inner = ask(headers)
    assert status(sent) == 403
    assert body(sent).count("\n") == 1 and body(sent).endswith("\n")
    assert inner.scope is None
    sent, inner = ask(headers, kind="websocket")
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert inner.scope is None


def test_one_who_listens_everywhere_answers_to_numbers_and_to_its_own_name_only(monkeypatch):
    monkeypatch.setattr(guard.socket, "gethostname", lambda: "Desk7")
    names, numeric = known_names("0.0.0.0")
    for name, code in {
        "192.168.1.5": 200,
        "[fe80::1]": 200,
        "desk7": 200,
        "desk7.local": 200,
        "desk8": 403,
        "evil.example": 403,
    }.items():
        sent, _ = ask([("host", f"{name}:{PORT}")], names=names, numeric=numeric)
        assert status(sent) == code, name
    # A page of another machine has a number as its name, too: it is not this one.
    headers = [("host", f"192.168.1.5:{PORT}"), ("origin", f"http://192.168.1.6:{PORT}")]
    assert status(ask(headers, names=names, numeric=numeric)[0]) == 403


def test_one_who_listens_at_an_address_answers_to_it_and_to_no_other():
    names, numeric = known_names("192.168.1.5")
    for name, code in {"192.168.1.5": 200, "localhost": 200, "192.168.1.6": 403}.items():
        sent, _ = ask([("host", f"{name}:{PORT}")], names=names, numeric=numeric)
        assert status(sent) == code, name


def test_what_a_proxy_adds_does_not_reach_the_application():
    proxied = [("x-forwarded-prefix", "/x"), ("X-Forwarded-Proto", "https"), ("forwarded", "for=1")]
    _, inner = ask([("host", OWN), *proxied])
    assert [name for name, _ in inner.scope["headers"]] == [b"host", b"cookie"]


def test_every_answer_keeps_the_browser_from_asking_other_hosts():
    for headers in ([("host", OWN)], []):
        sent, _ = ask(headers)
        found = dict(sent[0]["headers"])
        assert found[b"content-security-policy"].startswith(b"default-src 'self'; ")
        assert b"http:" not in found[b"content-security-policy"]
        assert b"frame-ancestors 'none'" in found[b"content-security-policy"]


# ── who has the token ────────────────────────────────────────────────────────────────────────────────


NOT_THEIRS = [
    [],
    [("cookie", "whygrad-8750=")],
    [("cookie", f"whygrad-8751={ENTRY.secret}")],
    [("cookie", f"whygrad-8750={ENTRY.secret}x")],
    [("cookie", f"whygrad-8750={ENTRY.token}")],
    [("cookie", "whygrad-8750=é")],
    [("cookie", '"; ;;=')],
]


@pytest.mark.parametrize("cookies", NOT_THEIRS)
def test_who_has_not_the_cookie_gets_nothing_over_http_or_by_websocket(cookies):
    headers = [("host", OWN), *cookies]
    sent, inner = ask(headers, own=False)
    assert status(sent) == 401 and inner.scope is None
    assert body(sent) == f"{guard.STRANGER}\n"
    sent, inner = ask(headers, own=False, kind="websocket")
    assert [message["type"] for message in sent] == ["websocket.close"] and inner.scope is None


def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address():
    sent, inner = ask([("host", OWN)], own=False, query=f"token={ENTRY.token}".encode())
    assert status(sent) == 200 and inner.scope is None
    found = dict(sent[0]["headers"])
    value, *attributes = found[b"set-cookie"].decode().split("; ")
    assert value == f"{ENTRY.cookie}={ENTRY.secret}"
    assert set(attributes) == {"HttpOnly", "SameSite=Strict", "Path=/"}
    assert found[b"cache-control"] == b"no-store" and found[b"referrer-policy"] == b"no-referrer"
    assert ENTRY.token not in body(sent) and ENTRY.secret not in body(sent)
    assert "location.replace(" in body(sent)


@pytest.mark.parametrize(
    ("query", "more"),
    [
        ("token=", {}),
        (f"token={ENTRY.token[:-1]}", {}),
        (f"token={ENTRY.secret}", {}),
        (f"token={ENTRY.token}&token={ENTRY.token}", {}),
        (f"token={ENTRY.token}", {"path": "/stage/header.json"}),
        (f"token={ENTRY.token}", {"kind": "websocket"}),
    ],
    ids=["none", "shortened", "secret", "twice", "elsewhere", "websocket"],
)
def test_nothing_but_the_token_at_the_front_door_is_exchanged(query, more):
    sent, inner = ask([("host", OWN)], own=False, query=query.encode(), **more)
    assert inner.scope is None
    assert b"set-cookie" not in dict(sent[0].get("headers", ()))


def test_a_page_of_another_site_cannot_exchange_the_token_either():
    headers = [("host", OWN), ("origin", "http://evil.example")]
    sent, _ = ask(headers, own=False, query=f"token={ENTRY.token}".encode())
    assert status(sent) == 403


def test_the_token_is_in_no_description_and_every_studio_has_its_own():
    assert ENTRY.token not in repr(ENTRY) and ENTRY.secret not in repr(ENTRY)
    assert len({ENTRY.token, ENTRY.secret, Entry(PORT).token, Entry(PORT).secret}) == 4


def test_what_a_browser_is_started_with_holds_no_token_and_only_its_owner_can_read_it():
    with doorway(ENTRY.address("http://127.0.0.1:8750/")) as door:
        path = Path(url2pathname(urlsplit(door).path))
        assert ENTRY.token not in door
        assert ENTRY.token in path.read_text()
        assert path.stat().st_mode & 0o077 == 0
    assert not path.exists()


# ── how long ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_that_stops_halfway_is_taken_for_one_whose_client_has_left(monkeypatch):
    monkeypatch.setattr(guard, "BODY", 0.01)
    pieces = [{"type": "http.request", "body": b"half", "more_body": True}]

    async def receive():
        if pieces:
            return pieces.pop()
        await asyncio.Event().wait()

    inner, sent = Inner(), []

    async def send(message):
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in [("host", OWN), COOKIE]]
    scope = {
        "type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": pairs,
    }  # fmt: skip
    with pytest.raises(RuntimeError, match="the client is gone"):
        asyncio.run(Guard(inner, ENTRY)(scope, receive, send))
    assert inner.body == b"half"


async def ended_by_server(pieces):
    """Send pieces by a connection whose heads have a twentieth of a second; give all that comes back."""

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"welcome"})

    config = uvicorn.Config(application, http=connections.Prompt, log_level="error", lifespan="off")
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: connections.Prompt(config, ServerState(), {}), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.02)
        found = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
    return found


WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "answers"),
    [
        ((), 0),
        ((b"GET / HTTP/1.1\r\nHost: x\r\n",), 0),
        ((WHOLE, b"GET / HT"), 1),
        ((WHOLE[:20], WHOLE[20:], WHOLE, b"G"), 2),
    ],
)
def test_a_head_that_does_not_come_in_time_ends_its_connection(monkeypatch, pieces, answers):
    monkeypatch.setattr(connections, "HEAD", 0.05)
    try:
        found = asyncio.run(ended_by_server(pieces))
    except ConnectionResetError:
        found = b""
    assert found.count(b"HTTP/1.1 200") == answers
    assert connections.waiting == {}


# ── how much at once ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("said", [[], [("content-length", "10")]])
def test_a_request_of_just_the_limit_passes(said):
    sent, inner = ask([("host", OWN), *said], chunks=(b"12345", b"67890"), limit=10)
    assert status(sent) == 200
    assert inner.body == b"1234567890"


def test_a_request_that_says_it_is_too_large_is_refused_before_it_is_read():
    sent, inner = ask([("host", OWN), ("content-length", "11")], chunks=(b"12345",), limit=10)
    assert status(sent) == 413
    assert inner.scope is None


@pytest.mark.parametrize("said", [[], [("content-length", "3")]])
def test_a_request_that_becomes_too_large_is_refused_while_it_comes_whatever_it_said(said):
    chunks = (b"123456", b"789012", b"345678")
    sent, inner = ask([("host", OWN), *said], chunks=chunks, limit=10)
    assert status(sent) == 413
    assert inner.body == b"123456" and inner.gone
    assert sum(message["type"] == "http.response.start" for message in sent) == 1
    assert sent[-1].get("more_body", False) is False


def test_the_line_about_what_is_too_large_says_how_much_is_not_and_what_to_do():
    sent, _ = ask([("host", OWN), ("content-length", str(guard.LIMIT + 1))])
    assert body(sent) == (
        "more than 100 MB at once: train on larger files with `whygrad train FILE`, "
        "and open the run that it writes\n"
    )


def test_an_error_of_the_application_is_not_swallowed():
    with pytest.raises(RuntimeError, match="the client is gone"):
        ask([("host", OWN)], chunks=())


# ── what it reads ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path):
    """A folder with a file and links, and beside it what is nobody's business."""
    inside = tmp_path / "in"
    (inside / "deep").mkdir(parents=True)
    (inside / "a.csv").write_text("x\n")
    (tmp_path / "secret.csv").write_text("x\n")
    (inside / "link.csv").symlink_to(tmp_path / "secret.csv")
    (inside / "up").symlink_to(tmp_path)
    (inside / "deep" / "back.csv").symlink_to(inside / "a.csv")
    return inside


@pytest.mark.parametrize(
    "path", ["a.csv", "./a.csv", "deep/../a.csv", "deep/back.csv", "new.run", "", "deep"]
)
def test_what_lies_in_the_folder_is_found(folder, path):
    found = confined(path, folder)
    assert found == (folder / path).resolve()
    assert confined(found, folder) == found


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../secret.csv",
        "deep/../../secret.csv",
        "/etc/passwd",
        "link.csv",
        "up/secret.csv",
        "up",
        "../in-not/a.csv",
    ],
)
def test_what_leads_out_of_the_folder_is_refused(folder, path):
    (folder.parent / "in-not").mkdir()
    with pytest.raises(wg.FileError, match="not in the folder that the studio was started in"):
        confined(path, folder)


def test_a_path_that_cannot_be_is_refused(folder):
    (folder / "round").symlink_to("round")
    for path in ("a\0b", "round"):
        with pytest.raises(wg.FileError, match="cannot be read"):
            confined(path, folder)


def test_a_folder_that_is_a_link_itself_is_the_folder(folder):
    (folder.parent / "other").symlink_to(folder)
    assert confined("a.csv", folder.parent / "other") == (folder / "a.csv").resolve()


# ── what is answered before all is loaded ────────────────────────────────────────────────────────────


class Loading:
    """A site whose parts are loaded when the test lets them, behind the studio's guard."""

    def __init__(self, broken="", page=None):
        self.session, self.page, self.failed = threading.Event(), threading.Event(), []
        self.broken, self.lived = broken, []
        load = self._page if page is None else lambda: page
        self.site = Site(b"first", self._session, load, lambda: self.failed.append(True))
        self.guard = Guard(self.site, ENTRY)

    def _session(self):
        assert self.session.wait(PATIENCE)
        return lambda path, query: ("text/plain", f"{path} {sorted(query.items())}".encode())

    def _page(self):
        assert self.page.wait(PATIENCE)
        if self.broken:
            raise ValueError(self.broken)

        async def application(scope, receive, send):
            if scope["type"] == "lifespan":
                for what in ("startup", "shutdown"):
                    self.lived.append((await receive())["type"])
                    await send({"type": f"lifespan.{what}.complete"})
            else:
                await Inner()(scope, receive, send)

        return application

    async def ask(self, path, method="GET", query=b"", own=True):
        """Return status and text of the answer to one request."""
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        pairs = [("host", OWN), *([COOKIE] if own else [])]
        headers = [(name.encode(), value.encode()) for name, value in pairs]
        scope = {"type": "http", "method": method, "path": path, "query_string": query}
        await self.guard(scope | {"headers": headers}, receive, send)
        return status(sent), body(sent)

    def live(self, journey):
        """Go through a journey while the site lives."""

        async def living():
            told, said = asyncio.Queue(), asyncio.Queue()
            life = asyncio.create_task(self.guard({"type": "lifespan"}, told.get, said.put))
            await told.put({"type": "lifespan.startup"})
            assert (await said.get())["type"] == "lifespan.startup.complete"
            try:
                await asyncio.wait_for(journey(), PATIENCE)
            finally:
                for one in (self.session, self.page):
                    one.set()
                await told.put({"type": "lifespan.shutdown"})
                await asyncio.wait_for(life, PATIENCE)
            return (await said.get())["type"]

        assert asyncio.run(living()) == "lifespan.shutdown.complete"


def test_the_stage_answers_before_the_page_is_loaded_and_the_page_when_it_is():
    loading = Loading()

    async def journey():
        assert await loading.ask("/") == (200, "first")
        states = asyncio.create_task(loading.ask("/stage/states", query=b"from=1&to=2"))
        whole = asyncio.create_task(loading.ask("/stage/whole"))
        script = asyncio.create_task(loading.ask("/_nicegui/script.js"))
        loading.session.set()
        assert await states == (200, "states [('from', '1'), ('to', '2')]")
        assert not whole.done() and not script.done() and await loading.ask("/") == (200, "first")
        loading.page.set()
        assert await whole == (200, "{}")
        assert await script == await loading.ask("/") == (200, "welcome")

    loading.live(journey)
    assert loading.lived == ["lifespan.startup", "lifespan.shutdown"]
    assert loading.site.error is None and not loading.failed


def test_a_stranger_gets_neither_the_first_page_nor_what_the_stage_is_sent():
    loading = Loading()

    async def journey():
        loading.session.set()
        for path in ("/", "/stage/header.json", "/stage/whole"):
            code, text = await loading.ask(path, own=False)
            assert (code, text.strip()) == (401, guard.STRANGER)
        code, _ = await loading.ask("/stage/begin", "POST", own=False)
        assert code == 401

    loading.live(journey)


def test_only_a_post_begins_a_training_pauses_it_and_lets_it_go_on():
    loading = Loading()

    async def journey():
        loading.session.set()
        assert (await loading.ask("/stage/header.json", "POST"))[0] == 405
        for what in ("begin", "pause", "go", "step", "epoch"):
            assert (await loading.ask(f"/stage/{what}"))[0] == 405
            assert await loading.ask(f"/stage/{what}", "POST") == (200, f"{what} []")

    loading.live(journey)


async def raising(scope, receive, send):
    raise ValueError("no room")


async def failing(scope, receive, send):
    await receive()
    message = "Traceback:\n  somewhere\nValueError: no room\n"
    await send({"type": "lifespan.startup.failed", "message": message})
    raise ValueError("no room")


async def gone(scope, receive, send):
    pass


@pytest.mark.parametrize(
    ("application", "why"),
    [
        (raising, "ValueError: no room"),
        (failing, "ValueError: no room"),
        (gone, "it does not come to its startup"),
    ],
)
def test_a_page_whose_life_does_not_begin_is_told_in_one_line(application, why):
    loading = Loading(page=application)

    async def journey():
        loading.session.set()
        told = json.loads((await loading.ask("/stage/whole"))[1])
        assert told == {"error": f"the studio cannot be loaded: {why}"}

    loading.live(journey)
    assert str(loading.site.error) == why


def test_a_page_that_cannot_be_loaded_is_told_to_who_waits_for_it_and_ends_the_studio():
    loading = Loading(broken="no room")

    async def journey():
        whole = asyncio.create_task(loading.ask("/stage/whole"))
        loading.session.set(), loading.page.set()
        assert json.loads((await whole)[1]) == {"error": "the studio cannot be loaded: no room"}
        assert await loading.ask("/") == (503, "the studio cannot be loaded: no room\n")
        assert (await loading.ask("/stage/header.json"))[0] == 200  # what is shown goes on

    loading.live(journey)
    assert str(loading.site.error) == "no room" and loading.failed


# ── the command: bad input ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.run"], "nowhere.run: there is no such run: `whygrad runs` lists those in a folder"),
        (["newer.run"], "newer.run: written by a newer whygrad (schema 99, this one reads 2): "
                        "upgrade whygrad"),
        (["plain"], "plain: not a run, it has no manifest.json"),
        (["--folder", "nowhere"], "nowhere: there is no such folder"),
        (["--port", "65536"], "port 65536: a port is a whole number from 0 to 65535"),
        (["--port", "-1"], "port -1: a port is a whole number from 0 to 65535"),
        (["--port", "x"], None),
        (["--host", "192.0.2.1"], "host '192.0.2.1': not an address of this machine, as 127.0.0.1 is"),
        (["--host", "no.such.invalid"],
         "host 'no.such.invalid': not an address of this machine, as 127.0.0.1 is"),
    ],
)  # fmt: skip
def test_a_studio_that_cannot_be_opened_is_refused_in_one_line(
    tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").mkdir()
    (tmp_path / "newer.run").mkdir()
    about = {"format": "whygrad run", "schema": 99}
    (tmp_path / "newer.run" / "manifest.json").write_text(json.dumps(about))
    result = whygrad("studio", *words, "--no-browser")
    assert (result.code, result.out, len(result.lines)) == (2, "", 1)
    assert message is None or result.lines[0] == f"whygrad: {message}"


def test_without_nicegui_one_line_says_how_to_have_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "nicegui", None)
    result = whygrad("studio")
    assert (result.code, result.out) == (2, "")
    assert result.lines == ['whygrad: the studio needs NiceGUI: pip install "whygrad[studio]"']


# ── the command: a server in a process of its own ────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def studio(served_to_all, tmp_path_factory):
    """One studio for all tests that leave it as it is."""
    return served_to_all(tmp_path_factory.mktemp("empty"))


def send(studio, text):
    """Write to the port whatever it is, and give all that comes back."""
    with socket.create_connection(("127.0.0.1", studio.port), PATIENCE) as wire:
        wire.sendall(text)
        found = b""
        while piece := wire.recv(65536):
            found += piece
    return found.decode("utf-8", "replace")


def test_the_page_is_served_to_its_own_name(studio):
    code, text = studio.ask()
    assert code == 200
    assert "<title>whygrad studio</title>" in text
    assert "http://" not in text.replace("http://www.w3.org/", "") and "https://" not in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/_nicegui_ws/socket.io/?EIO=4&transport=polling"])
def test_a_foreign_page_gets_nothing_over_http(studio, path, method, headers):
    code, text = studio.ask(path, method=method, headers=headers)
    assert code == 403
    assert len(text.splitlines()) == 1


def handshake(host, origin, cookie=""):
    key = base64.b64encode(bytes(16)).decode()
    lines = [
        "GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *([f"Origin: {origin}"] if origin else []),
        *([f"Cookie: {cookie}"] if cookie else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def first_line(studio, text):
    with socket.create_connection(("127.0.0.1", studio.port), PATIENCE) as wire:
        wire.sendall(text)
        return wire.makefile("rb").readline().decode()


def test_a_websocket_of_a_foreign_page_is_refused(studio):
    foreign = [
        (studio.host, "http://evil.example"),
        (studio.host, "null"),
        (studio.host, f"http://localhost:{studio.port}"),
        ("evil.example", None),
        (f"evil.example:{studio.port}", f"http://evil.example:{studio.port}"),
    ]
    for host, origin in foreign:
        asked = handshake(host, origin, studio.cookie)
        assert first_line(studio, asked).startswith("HTTP/1.1 403")
    answer = first_line(studio, handshake(studio.host, f"http://{studio.host}", studio.cookie))
    assert answer.startswith("HTTP/1.1 101")


@pytest.mark.parametrize(
    "path", ["/", "/_nicegui_ws/socket.io/?EIO=4&transport=polling", "/favicon.ico"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_stranger_of_the_same_machine_gets_nothing(studio, path, method):
    code, text = studio.ask(path, method=method, stranger=True)
    assert code == 401
    assert text == ("" if method == "HEAD" else f"{guard.STRANGER}\n")


def test_a_stranger_gets_no_websocket(studio):
    asked = handshake(studio.host, f"http://{studio.host}")
    assert first_line(studio, asked).startswith("HTTP/1.1 403")
    asked = handshake(studio.host, f"http://{studio.host}", f"{studio.cookie}x")
    assert first_line(studio, asked).startswith("HTTP/1.1 403")


def frame(code, payload, *, mask=True, length=None):
    """Return one frame of a websocket, as a client sends it."""
    size = len(payload) if length is None else length
    head = bytes([code, (mask << 7) | (size if size < 126 else 126 if size < 65536 else 127)])
    wide = b"" if size < 126 else size.to_bytes(2 if size < 65536 else 8, "big")
    return head + wide + (bytes(4) if mask else b"") + payload


MALFORMED = {
    "not masked": frame(0x81, b"2", mask=False),
    "reserved bits": frame(0xF1, b"2"),
    "no such kind": frame(0x83, b"2"),
    "no UTF-8": frame(0x81, b"\xff\xfe"),
    "a long ping": frame(0x89, b"x" * 126),
    "a part of nothing": frame(0x80, b"2"),
    "longer than may be": frame(0x82, b"", length=1 << 40),
    "no packet": frame(0x81, b"x"),
    "empty": frame(0x81, b""),
    "no JSON": frame(0x81, b'42["event'),
    "no event": frame(0x81, b'42{"a": 1}'),
    "an event to nobody": frame(0x81, b'42["event", {"client_id": "nobody"}]'),
    "bytes that nobody awaits": frame(0x82, b"bytes"),
    "a place for bytes": frame(0x81, b'451-["event", {"_placeholder": true, "num": 9}]'),
    "very deep": frame(0x81, b'42["event",' + b"[" * 100_000),
    "a number without end": frame(0x81, b"4" * 60_000),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_frame_ends_one_connection_and_nothing_is_said_of_it(studio, name):
    with (
        socket.create_connection(("127.0.0.1", studio.port), PATIENCE) as wire,
        socket.create_connection(("127.0.0.1", studio.port), PATIENCE) as other,
    ):
        for one in (wire, other):
            one.sendall(handshake(studio.host, f"http://{studio.host}", studio.cookie))
            assert b" 101 " in one.recv(4096)
        for one in (wire, other):
            one.sendall(frame(0x81, b"40"))  # joins
        wire.sendall(MALFORMED[name])
        wire.settimeout(0.5)
        with suppress(TimeoutError, ConnectionError):
            while wire.recv(65536):
                pass
        other.sendall(frame(0x89, b"still there"))
        found = b""
        while b"still there" not in found:
            piece = other.recv(65536)
            assert piece
            found += piece
    assert studio.said == ""


def test_hundreds_of_connections_that_dawdle_keep_nobody_from_the_page(studio):
    """200 that say nothing, and 300 that send a head piece by piece; whoever comes last is served."""
    with ExitStack() as stack:
        slow = []
        for i in range(500):
            one = stack.enter_context(
                socket.create_connection(("127.0.0.1", studio.port), PATIENCE)
            )
            if i >= 200:
                one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
                slow.append(one)
        code, text = studio.ask()
        assert code == 200 and "<title>whygrad studio</title>" in text
        for one in slow:
            with suppress(OSError):  # the older ones are gone by now
                one.sendall(b"x")
        assert studio.ask()[0] == 200
        files = len(list(Path(f"/proc/{studio.process.pid}/fd").iterdir()))
        assert files < connections.MOST + 100
    assert studio.said == ""


def test_a_request_without_a_host_is_refused(studio):
    assert " 403 " in send(studio, b"GET / HTTP/1.0\r\n\r\n")
    assert " 400 " in send(studio, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")


def test_more_than_the_limit_is_refused_with_a_line_while_it_comes(studio):
    path = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    path += "&sid=" + json.loads(studio.ask(path)[1][1:])["sid"]
    piece = bytes(1_000_000)
    rest = guard.LIMIT // len(piece) + 5

    def pieces():
        for _ in range(rest):
            yield piece

    for headers in ({"Content-Length": str(len(piece) * rest)}, {}):
        code, text = studio.ask(path, method="POST", body=pieces(), headers=headers)
        assert code == 413
        assert text.startswith("more than 100 MB at once: ") and len(text.splitlines()) == 1


def test_the_answer_about_a_large_request_does_not_wait_for_its_end(studio):
    head = (
        f"POST / HTTP/1.1\r\nHost: {studio.host}\r\nCookie: {studio.cookie}\r\n"
        f"Content-Length: {guard.LIMIT + 1}\r\n\r\n"
    )
    assert first_line(studio, head.encode() + b"only the beginning").startswith("HTTP/1.1 413 ")


def test_files_of_the_folder_are_no_pages(studio):
    for path in ("/stderr", "/../stderr", "/%2e%2e/%2e%2e/etc/passwd", "/docs", "/openapi.json"):
        assert studio.ask(path)[0] == 404


def test_it_listens_on_this_machine_alone(studio):
    with socket.socket() as wire:
        assert wire.connect_ex(("127.0.0.2", studio.port)) != 0


def test_a_port_in_use_is_told_and_the_next_one_is_taken(served, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = f"whygrad: port {port} is in use, so it is port "
        second = served(tmp_path, "--port", port)
        assert second.port > port
        second.expected = f"{line}{second.port}\n"
        assert second.ask()[0] == 200


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_with_its_open_pages(served, tmp_path, name):
    studio = served(tmp_path)
    with socket.create_connection(("127.0.0.1", studio.port), PATIENCE) as wire:
        wire.sendall(handshake(studio.host, f"http://{studio.host}", studio.cookie))
        assert b" 101 " in wire.recv(4096)
        studio.end(getattr(signal, name))


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")
def test_it_outlives_its_terminal_where_nohup_asks_for_that(served, tmp_path):
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from whygrad.studio import studio; studio(port=0, show=False)"
    )
    studio = served(tmp_path, code=code)
    studio.process.send_signal(signal.SIGHUP)
    assert studio.ask()[0] == 200
    studio.end(signal.SIGTERM)


def test_it_leaves_nothing_in_its_folder(served, tmp_path):
    studio = served(tmp_path)
    assert studio.ask()[0] == 200
    studio.end()
    assert list(tmp_path.iterdir()) == []


# A session that has started a process, and writes down whether it was closed.
SESSION = """
import subprocess, sys
from contextlib import closing
from pathlib import Path
from nicegui import ui
from whygrad.studio.server.application import application
from whygrad.studio.server.door import opened
from whygrad.studio.server.serving import serve

FIRST = b"<script>fetch('/stage/whole').then(() => location.reload())</script>"

class Session:
    def __init__(self, name):
        self.name = name
        wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        self.child = subprocess.Popen(wait, stdin=subprocess.PIPE, start_new_session=True)
    def close(self):
        self.child.stdin.close()
        Path(self.name).write_text(f"closed, {self.child.wait()}")

def build(session):
    ui.label(f"this is {session.name}")

def show(name, **more):
    with opened(port=0, show=False, **more) as door, closing(Session(name)) as session:
        serve(door, FIRST, lambda: lambda path, query: None, lambda: application(session, build))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_what_the_session_has_started_ends_with_it(served, tmp_path, name):
    studio = served(tmp_path, code=f"{SESSION}\nshow('one')")
    wait_for(lambda: len(studio.family()) == 2, "the process that the session starts")
    studio.end(getattr(signal, name))
    assert (tmp_path / "one").read_text() == "closed, 0"


# A page that takes longer to load than open tabs have to take their leave.
SLOW = """
import time

def load():
    Path("loading").touch()
    time.sleep(3)
    return application(None, build)

with opened(port=0, show=False) as door:
    serve(door, FIRST, lambda: lambda path, query: None, load)
"""


def test_a_signal_ends_it_while_a_page_waits_for_what_is_being_loaded(served, tmp_path):
    studio = served(tmp_path, code=SESSION + SLOW)
    with socket.create_connection(("127.0.0.1", studio.port), PATIENCE) as wire:
        head = (
            f"GET /stage/whole HTTP/1.1\r\nHost: {studio.host}\r\nCookie: {studio.cookie}\r\n\r\n"
        )
        wire.sendall(head.encode())
        wait_for((tmp_path / "loading").exists, "the loading of the page")
        studio.end()
        assert b"the studio has ended" in wire.recv(4096)


# As in a notebook, where a loop runs already; and one after the other in one process.
TWICE = """
import asyncio

async def cell(name):
    show(name)

for name in ("one", "two"):
    asyncio.run(cell(name))
"""


def test_a_notebook_can_open_it_and_open_it_again(served, browser, tmp_path):
    studio = served(tmp_path, code=SESSION + TWICE)
    for name in ("one", "two"):
        browser.open(studio.url)
        browser.has(f"this is {name}")
        assert browser.complaints() == []
        studio.process.send_signal(signal.SIGINT)
        if name == "one":
            studio.url = studio.next_address()
            assert (tmp_path / "one").exists()
    studio.process.wait(PATIENCE)
    studio.end()


def test_one_process_has_one_studio(served, tmp_path):
    code = """
import threading, time, urllib.request
from whygrad.errors import InputError

def first(line):
    print(line, flush=True)
    try:
        show("two", say=print)
    except InputError as error:
        open("told", "w").write(str(error))

show("one", say=first)
"""
    studio = served(tmp_path, code=SESSION + code)
    studio.end()
    assert (tmp_path / "told").read_text() == (
        "a studio is open in this process already: end it first"
    )
    assert not (tmp_path / "two").exists()
