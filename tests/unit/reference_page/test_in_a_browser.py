"""The page of the API in a real browser, behind the headers that the door sends with it."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Browser

from cdk.local import chromium
from dyno import reference
from functions.metrics.handler import PAGE_HEADERS
from tests.reader import DESKTOP, PHONE, Visit, visit

ENOUGH_CONTRAST = 4.5

# One browser for all of them, and one try to install it.
pytestmark = [pytest.mark.needs("browser"), pytest.mark.xdist_group("browser")]

Serve = Callable[[str], str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as running:
        yield running


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answers every request with a page, and says where."""
    shown: list[str] = []

    class Shows(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in {"Content-Type": "text/html; charset=utf-8", **PAGE_HEADERS}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(shown[-1].encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Shows)
    thread = Thread(target=server.serve_forever)
    thread.start()

    def show(html: str) -> str:
        shown.append(html)
        return f"http://127.0.0.1:{server.server_port}/prod/docs"

    yield show
    server.shutdown()
    thread.join()
    server.server_close()


def is_alone(seen: Visit) -> bool:
    return seen.requests == [seen.page.url] and not seen.complaints


def unfold(seen: Visit) -> None:
    """Show whatever can be folded away."""
    seen.page.evaluate("() => document.querySelectorAll('details').forEach(each => { each.open = true })")


@pytest.mark.parametrize("dark", [False, True], ids=["by day", "by night"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_the_page_stands_alone_fits_its_window_and_can_be_read(
    browser: Browser, serve: Serve, width: int, dark: bool
) -> None:
    with visit(browser, serve(reference.page().text), width=width, dark=dark) as seen:
        assert is_alone(seen)
        unfold(seen)
        assert seen.overflowing() == []
        assert seen.least_contrast() >= ENOUGH_CONTRAST


@pytest.mark.parametrize("planted", ['<img src="/logo.png">', "<script>1</script>"])
def test_what_is_fetched_or_run_is_noticed(browser: Browser, serve: Serve, planted: str) -> None:
    with visit(browser, serve(reference.page().text.replace("</main>", f"{planted}</main>"))) as seen:
        assert not is_alone(seen)


def test_what_sticks_out_of_a_phone_is_noticed(browser: Browser, serve: Serve) -> None:
    planted = reference.page().text.replace("white-space: pre-wrap", "white-space: pre")

    with visit(browser, serve(planted), width=PHONE) as seen:
        unfold(seen)
        assert seen.overflowing()


def test_a_link_of_the_contents_shows_its_route(browser: Browser, serve: Serve) -> None:
    with visit(browser, serve(reference.page().text), width=PHONE) as seen:
        seen.page.locator("nav").get_by_text("POST /allocations/auto").click()

        route = seen.page.locator("#post-allocations-auto")
        assert 0 <= (route.bounding_box() or {"y": -1})["y"] < 100
        assert "allocate:vehicle" in route.inner_text()


def test_texts_of_the_document_are_no_markup_but_what_stands_in_backticks(browser: Browser, serve: Serve) -> None:
    planted = json.loads(reference.document().text)
    planted["info"]["description"] = "<b id=planted>bold</b> `a<b`"

    with visit(browser, serve(reference.rendered(planted))) as seen:
        assert seen.page.locator("#planted").count() == 0
        assert "<b id=planted>bold</b> a<b" in seen.page.locator("header").inner_text()
        assert seen.page.locator("header code").inner_text() == "a<b"
