"""What the caller's money depends on: whether a request left, told truthfully, against real sockets."""

import asyncio
import logging
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable
from ivr.runtime.http_client import MOST_BODY, MOST_PATHS, HttpClient, HttpSettings
from tests.providers import raw_server as raw
from tests.providers.raw_server import RawServer, says

CREDENTIAL = "very-secret-sequence"


@asynccontextmanager
async def client_of(url: str, **limits: float) -> AsyncIterator[HttpClient]:
    settings = HttpSettings(url, **{"connect_seconds": 0.5, "read_seconds": 0.2, **limits})  # type: ignore[arg-type]
    client = HttpClient(settings, {"Authorization": f"Bearer {CREDENTIAL}"})
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "behave",
    [
        raw.silent,
        raw.closes,
        raw.resets,
        raw.closes_mid_body,
        raw.resets_mid_body,
        raw.not_http,
        raw.long_headers,
        raw.ten_megabytes,
        raw.ten_megabytes_chunked,
    ],
)
async def test_whatever_goes_wrong_after_sending_is_unknown_and_sent_once(behave: raw.Behave, method: str) -> None:
    """A payment that may have arrived is never said to have failed, and never sent a second time."""
    async with RawServer(behave) as server, client_of(server.url) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await client.request(method, "/x", json={"n": 1})
        assert len(server.seen) == 1
    error: BaseException | None = caught.value
    while error is not None:
        assert CREDENTIAL not in repr(error)
        assert "127.0.0.1" not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_kept_connection_that_breaks_is_unknown_too(method: str) -> None:
    """Many a client would send a GET again by itself."""
    async with RawServer(says({})) as server, client_of(server.url) as client:
        await client.request(method, "/x")
        server.behave = raw.closes
        with pytest.raises(OutcomeUnknown):
            await client.request(method, "/x")
        assert (server.connections, len(server.seen)) == (1, 2)


async def test_a_closed_port_means_that_nothing_was_sent() -> None:
    """The caller may simply try again."""
    async with client_of(f"http://127.0.0.1:{raw.free_port()}") as client:
        with pytest.raises(ProviderUnreachable, match="ConnectionRefused") as caught:
            await client.request("POST", "/x", json={})
    assert caught.value.__context__ is None


async def test_a_host_that_never_answers_the_handshake_means_that_nothing_was_sent() -> None:
    """The connect limit ends it, long before the read limit would."""
    async with raw.full_backlog() as url, client_of(url, connect_seconds=0.1, read_seconds=60) as client:
        with pytest.raises(ProviderUnreachable, match="Timeout"):
            await client.request("POST", "/x", json={})


async def test_waiting_for_a_free_connection_ends_and_nothing_was_sent() -> None:
    """With every connection in use the next caller does not wait for ever."""
    arrived = asyncio.Event()

    async def busy(exchange: raw.Exchange) -> None:
        arrived.set()
        await raw.silent(exchange)

    limits = {"most_connections": 1, "connect_seconds": 0.1, "pool_seconds": 0.1, "read_seconds": 60.0}
    async with RawServer(busy) as server, client_of(server.url, **limits) as client:
        first = asyncio.create_task(client.request("POST", "/x", json={}))
        await arrived.wait()
        with pytest.raises(ProviderUnreachable, match="Timeout"):
            await client.request("POST", "/x", json={})
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert len(server.seen) == 1


async def test_a_host_that_is_none_means_that_nothing_was_sent() -> None:
    """`.invalid` never resolves."""
    async with client_of("http://provider.invalid") as client:
        with pytest.raises(ProviderUnreachable):
            await client.request("POST", "/x", json={})


async def test_a_certificate_that_is_wrong_means_that_nothing_was_sent() -> None:
    """A server that cannot speak TLS gets no credential."""
    async with RawServer(says({})) as server, client_of(server.url.replace("http:", "https:")) as client:
        with pytest.raises(ProviderUnreachable):
            await client.request("POST", "/x", json={})
        assert server.seen == []


async def test_an_answer_that_drips_ends_too() -> None:
    """Every byte comes in time, but a caller does not wait for a million of them."""
    async with RawServer(raw.drips) as server, client_of(server.url, total_seconds=0.2) as client:
        with pytest.raises(OutcomeUnknown, match="Timeout"):
            await client.request("POST", "/x", json={})


async def test_the_longest_answer_is_read_and_one_byte_more_is_not() -> None:
    """The limit is what it says."""
    async with RawServer(says(b"x" * MOST_BODY)) as server, client_of(server.url) as client:
        assert len((await client.request("GET", "/x")).body) == MOST_BODY
        server.behave = says(b"x" * (MOST_BODY + 1))
        with pytest.raises(OutcomeUnknown):
            await client.request("GET", "/x")


async def test_a_redirect_is_not_followed_and_cookies_are_not_kept() -> None:
    """A credential goes where it was configured to go; one caller's cookie is not another's."""
    async with RawServer(raw.silent) as server, client_of(server.url) as client:
        head = "302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b; Path=/"
        server.behave = says({}, head)
        assert (await client.request("POST", "/x", json={})).status == 302
        assert (await client.request("POST", "/x", json={})).status == 302
        assert [seen.target for seen in server.seen] == ["/x", "/x"]
        assert "cookie" not in server.seen[1].headers


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stray HTTP_PROXY on a server must not see payments."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{raw.free_port()}")
    async with RawServer(says({})) as server, client_of(server.url) as client:
        assert (await client.request("GET", "/x")).status == 200


async def test_a_compressed_answer_is_refused() -> None:
    """A few bytes that unpack into gigabytes are not read."""
    async with RawServer(says(b"x", "200 OK\r\nContent-Encoding: gzip")) as server, client_of(server.url) as client:
        with pytest.raises(OutcomeUnknown, match="compressed"):
            await client.request("GET", "/x")
        assert server.seen[0].headers["accept-encoding"] == "identity"


async def test_the_path_of_the_base_address_is_kept_and_connections_are() -> None:
    """Many requests, one connection."""
    async with RawServer(says({})) as server, client_of(server.url + "/base/") as client:
        for _ in range(5):
            await client.request("POST", "/x", json={"a": "ب"}, query={"q": "1"})
        assert server.connections == 1
        assert server.seen[0].target == "/base/x?q=1"
        assert server.seen[0].json == {"a": "ب"}


async def test_a_body_that_is_ready_goes_out_as_it_is() -> None:
    """A form, or JSON that was sealed by who knows the card; its own header goes before ours."""
    async with RawServer(says({})) as server, client_of(server.url) as client:
        await client.request("POST", "/a", data=b"a=1&b=2", headers={"Content-Type": "text/x-form"})
        for number in range(100):  # paths with ids are asked for once each
            await client.request("POST", f"/invoice/{number}", data=b"{}")
        assert (server.seen[0].body, server.seen[0].headers["content-type"]) == (b"a=1&b=2", "text/x-form")
        assert (server.seen[1].headers["content-type"], server.seen[100].target) == ("application/json", "/invoice/99")
        assert len(client._targets) == MOST_PATHS


async def test_nobody_writes_addresses_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """An invoice id in a query stays out of the log."""
    caplog.set_level(logging.INFO)
    async with RawServer(says({})) as server, client_of(server.url) as client:
        await client.request("GET", "/x", query={"tracking_code": "65843148"})
    assert "65843148" not in caplog.text


@pytest.mark.parametrize(
    "url", ["", "core.example", "ftp://h", "http://", "http://u:p@h", "http://h/?q=1", "http://h:x"]
)
def test_an_address_that_cannot_be_is_refused_at_the_start(url: str) -> None:
    """Not in the middle of a call."""
    with pytest.raises(BadInput):
        HttpSettings(url)


@pytest.mark.parametrize("limit", ["connect_seconds", "read_seconds", "pool_seconds", "total_seconds"])
@pytest.mark.parametrize("value", [0.0, -1.0, 601.0, float("nan")])
def test_a_limit_that_is_none_is_refused(limit: str, value: float) -> None:
    """No limit can be switched off by mistake."""
    with pytest.raises(BadInput):
        HttpSettings("http://h", **{limit: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
async def test_an_answer_counts_however_it_is_framed(answer: bytes) -> None:
    """Providers' servers are of many makes."""

    async def behave(exchange: raw.Exchange) -> None:
        await exchange.send(answer)

    async with RawServer(behave) as server, client_of(server.url) as client:
        for _ in range(2):
            assert (await client.request("GET", "/x")).body == b"{}"


async def test_the_answer_to_a_head_has_no_body() -> None:
    """A health check is answered at once, though the head speaks of a body that never comes."""

    async def behave(exchange: raw.Exchange) -> None:
        await exchange.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n")

    async with RawServer(behave) as server, client_of(server.url, read_seconds=30) as client:
        for _ in range(2):
            answer = await asyncio.wait_for(client.request("HEAD", "/"), 5)
            assert (answer.status, answer.body) == (404, b"")


async def test_an_answer_may_end_with_its_connection() -> None:
    """So old servers do; the next request gets a connection of its own."""

    async def behave(exchange: raw.Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n\r\n{}")
        exchange.writer.close()

    async with RawServer(behave) as server, client_of(server.url) as client:
        for _ in range(2):
            assert (await client.request("GET", "/x")).body == b"{}"
        assert server.connections == 2


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"H"])
async def test_what_nobody_asked_for_is_nobodys_answer(more: bytes) -> None:
    """A second answer on top of the first must not become the answer to the next caller's question."""

    async def behave(exchange: raw.Exchange) -> None:
        number = b"1" if len(server.seen) == 1 else b"2"
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + number + more)

    async with RawServer(behave) as server, client_of(server.url) as client:
        assert (await client.request("GET", "/x")).body == b"1"
        assert (await client.request("GET", "/x")).body == b"2"
        assert server.connections == 2


async def test_who_stops_waiting_leaves_no_answer_behind() -> None:
    """The late answer to a question that was given up is not the next question's."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def late(exchange: raw.Exchange) -> None:
        arrived.set()
        await go_on.wait()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    async with RawServer(late) as server, client_of(server.url, read_seconds=60) as client:
        given_up = asyncio.create_task(client.request("GET", "/x"))
        await arrived.wait()
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        go_on.set()
        server.behave = says(b"mine")
        assert (await client.request("GET", "/x")).body == b"mine"


async def test_more_requests_than_connections_wait_for_their_turn() -> None:
    """Twenty callers over two connections: each gets their own answer, and nobody is turned away."""

    async def echo(exchange: raw.Exchange) -> None:
        await asyncio.sleep(0.001)
        body = exchange.seen.target.encode()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    limits = {"most_connections": 2, "pool_seconds": 30.0, "read_seconds": 30.0}
    async with RawServer(echo) as server, client_of(server.url, **limits) as client:
        answers = await asyncio.gather(*(client.request("GET", f"/{at}") for at in range(20)))
        assert [answer.body for answer in answers] == [f"/{at}".encode() for at in range(20)]
        assert server.connections == 2


async def test_connections_that_broke_make_room_for_new_ones() -> None:
    """A provider that was down for a while is reached again."""
    limits = {"most_connections": 1, "pool_seconds": 30.0}
    async with RawServer(raw.closes) as server, client_of(server.url, **limits) as client:
        for _ in range(3):
            with pytest.raises(OutcomeUnknown):
                await client.request("GET", "/x")
        server.behave = says(b"ok")
        assert (await client.request("GET", "/x")).status == 200


async def test_a_connection_that_nobody_used_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider closes idle connections; a request must not be under way on one just then."""
    monkeypatch.setattr("ivr.runtime.http_client.KEEPALIVE_SECONDS", 0.05)
    async with RawServer(says({})) as server, client_of(server.url, read_seconds=30) as client:
        await client.request("GET", "/x")
        await asyncio.sleep(0.2)
        await client.request("GET", "/x")
        assert server.connections == 2


async def test_a_requests_own_headers_go_before_the_clients() -> None:
    """A signature, or a body that is no JSON."""
    async with RawServer(says({})) as server, client_of(server.url) as client:
        await client.request("POST", "/x", headers={"content-type": "text/xml", "X-Signature": "s"})
        headers = server.seen[0].headers
    assert (headers["content-type"], headers["x-signature"]) == ("text/xml", "s")
    assert headers["authorization"] == f"Bearer {CREDENTIAL}"
    assert headers["content-length"] == "0"


async def test_a_header_cannot_become_two() -> None:
    """Whatever a caller keyed, it adds nothing to a request."""
    async with client_of("http://provider.invalid") as client:
        with pytest.raises(BadInput) as caught:
            await client.request("GET", "/x", headers={"X": "a\r\nAuthorization: other"})
    assert "other" not in str(caught.value)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that nobody but its owner trusts, for 127.0.0.1, and its key."""
    directory = tmp_path_factory.mktemp("tls")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = (
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=provider", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"),
        *("-keyout", str(key), "-out", str(certificate)),
    )
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.mark.parametrize(("trusts", "verifies"), [(True, True), (False, True), (False, False)])
async def test_tls_is_spoken_with_who_is_trusted(certificate: tuple[Path, Path], trusts: bool, verifies: bool) -> None:
    """A stranger who says to be the provider gets no byte of a request, unless the operator switched that off."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    async with RawServer(says({}), tls=context) as server:
        ca_file = str(certificate[0]) if trusts else None
        settings = HttpSettings(server.url, read_seconds=30.0, verify_tls=verifies, ca_file=ca_file)
        client = HttpClient(settings)
        try:
            if trusts or not verifies:
                for _ in range(2):
                    assert (await client.request("POST", "/x", json={"n": 1})).status == 200
                assert server.connections == 1
            else:
                with pytest.raises(ProviderUnreachable, match="SSLCertVerificationError"):
                    await client.request("POST", "/x", json={"n": 1})
                assert server.seen == []
        finally:
            await client.close()
