"""The printable page in a real browser, behind the headers that the door sends with it."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from threading import Thread

import pytest
from playwright.sync_api import Browser

from cdk.local import chromium
from dyno.roi.period import month_of
from dyno.roi.wording import hours, money, percent
from functions.roi.handler import PAGE_HEADERS
from tests.reader import DESKTOP, PHONE, Visit, visit
from tests.unit.roi_page.lab import TODAY, busy, idle

ENOUGH_CONTRAST = 4.5
MOST_SHEETS = 4

# One browser for all of them, and one try to install it.
pytestmark = [pytest.mark.needs("browser"), pytest.mark.xdist_group("browser")]

PAGES = {
    "busy": busy().page,
    "a month": lambda: busy().page(month_of(TODAY)),
    "forty months": busy(40).page,
    "idle": idle().page,
}
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
        return f"http://127.0.0.1:{server.server_port}/metrics/roi.html"

    yield show
    server.shutdown()
    thread.join()
    server.server_close()


def is_alone(seen: Visit) -> bool:
    return seen.requests == [seen.page.url] and not seen.complaints


@pytest.mark.parametrize(("width", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desk by day", "phone by night"])
@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_a_page_stands_alone_fits_its_window_and_can_be_read(
    browser: Browser, serve: Serve, made: Callable[[], str], width: int, dark: bool
) -> None:
    with visit(browser, serve(made()), width=width, dark=dark) as seen:
        assert is_alone(seen)
        assert seen.overflowing() == []
        assert seen.least_contrast() >= ENOUGH_CONTRAST


@pytest.mark.parametrize(
    "planted", ['<img src="/logo.png">', "<script>1</script>", '<link rel="stylesheet" href="/look.css">']
)
def test_what_is_fetched_or_run_is_noticed(browser: Browser, serve: Serve, planted: str) -> None:
    with visit(browser, serve(idle().page().replace("</main>", f"{planted}</main>"))) as seen:
        assert not is_alone(seen)


@pytest.mark.parametrize("planted", ['<p style="width: 500px">', '<pre style="white-space: pre">' + "long " * 99])
def test_what_sticks_out_of_a_phone_is_noticed(browser: Browser, serve: Serve, planted: str) -> None:
    with visit(browser, serve(idle().page().replace("</main>", f"{planted}</main>")), width=PHONE) as seen:
        assert seen.overflowing()


def test_what_is_too_pale_is_noticed(browser: Browser, serve: Serve) -> None:
    with visit(browser, serve(idle().page().replace("--soft: #55616d", "--soft: #8a96a2"))) as seen:
        assert seen.least_contrast() < ENOUGH_CONTRAST


def test_what_is_seen_is_what_the_reports_say(browser: Browser, serve: Serve) -> None:
    roi, _ = busy().reports()
    low, high = roi.interval.low, roi.interval.high

    with visit(browser, serve(busy().page())) as seen:
        figures = {name: seen.figure(name) for name in ("time_saved_hours", "cost_savings_usd", "roi_percentage")}

    said = {
        "time_saved_hours": ["Hours saved", *(hours(each.time_saved_hours) for each in (roi, low, high))],
        "cost_savings_usd": ["Cost savings", *(money(each.cost_savings_usd) for each in (roi, low, high))],
        "roi_percentage": ["ROI", *(percent(each.roi_percentage) for each in (roi, low, high))],
    }
    assert figures == {
        name: [title, mid, f"{least} to {most}"]
        for name, (title, mid, least, most) in (
            (name, [each.replace("\N{NO-BREAK SPACE}", " ") for each in parts]) for name, parts in said.items()
        )
    }


@pytest.mark.parametrize(("count", "width"), [(1, DESKTOP), (12, PHONE), (40, DESKTOP), (40, PHONE)])
def test_bars_are_drawn_in_proportion_side_by_side(browser: Browser, serve: Serve, count: int, width: int) -> None:
    lab = busy(count)
    by_month: dict[str, float] = {}
    for line in lab.trend():
        month = f"{line.start_date:%Y-%m}"
        by_month[month] = by_month.get(month, 0) + float(line.cost_savings_usd.mid)

    with visit(browser, serve(lab.page()), width=width) as seen:
        bars = seen.bars("savings")

    assert [bar.title[:7] for bar in bars] == sorted(by_month)
    tallest = max(bars, key=lambda bar: bar.height)
    for bar in bars:
        share = by_month[bar.title[:7]] / by_month[tallest.title[:7]]
        assert bar.height == pytest.approx(tallest.height * share, abs=0.5)
    assert all(before.right < after.left for before, after in pairwise(bars))
    assert bars[-1].right < width


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_a_page_prints_on_a_few_sheets(browser: Browser, serve: Serve, made: Callable[[], str]) -> None:
    with visit(browser, serve(made())) as seen:
        assert all(1 <= seen.pdf_pages(paper) <= MOST_SHEETS for paper in ("A4", "Letter"))


def test_more_sheets_are_counted(browser: Browser, serve: Serve) -> None:
    sheets = '<p style="break-before: page">another</p>' * 5

    with visit(browser, serve(idle().page().replace("</main>", f"{sheets}</main>"))) as seen:
        assert seen.pdf_pages("A4") > MOST_SHEETS
