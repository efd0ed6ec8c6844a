"""What a person with a browser sees of a page."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from playwright.sync_api import Browser, Page, Response

DESKTOP, PHONE = 1280, 390
"""Widths of windows, in px."""

_OVERFLOWING = """() => [...document.querySelectorAll('body *')]
    .filter(each => each.matches('.wide') || !each.closest('.wide'))
    .filter(each => { const box = each.getBoundingClientRect();
                      return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5) })
    .map(each => each.outerHTML.slice(0, 80))"""

_COLOURS = """() => {
    const backdrop = each => { for (; each; each = each.parentElement) {
        const colour = getComputedStyle(each).backgroundColor;
        if (!colour.endsWith(', 0)')) return colour } return 'rgb(255, 255, 255)' };
    return [...document.querySelectorAll('body *')]
        .filter(each => [...each.childNodes].some(child => child.nodeType === 3 && child.data.trim()))
        .filter(each => each.tagName !== 'title')
        .map(each => { const style = getComputedStyle(each);
                       return [each instanceof SVGElement ? style.fill : style.color, backdrop(each)] }) }"""

_BARS = """chart => [...document.querySelectorAll(`[data-chart=${chart}] g`)].map(each => {
    const box = each.querySelector('rect').getBoundingClientRect();
    return [each.querySelector('title').textContent, box.height, box.left, box.right] })"""


class Bar(NamedTuple):
    """A bar as it is drawn, in px, and what it says."""

    title: str
    height: float
    left: float
    right: float


@dataclass
class Visit:
    """
    A page that was opened.

    Attributes:
        requests: Addresses of all it asked for, itself the first.
        complaints: What the browser wrote to its console.
    """

    page: Page
    response: Response | None = None
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def figure(self, name: str) -> list[str]:
        """What stands in the first card or row of a figure, part by part, as far as it can be seen."""
        within = self.page.locator(f"[data-figure={name}]").first
        return [
            each.inner_text().replace("\N{NO-BREAK SPACE}", " ") for each in within.locator("> *").all()
            if each.is_visible()
        ]  # fmt: skip

    def bars(self, chart: str) -> list[Bar]:
        """Of a chart, from left to right."""
        return [Bar(*drawn) for drawn in self.page.evaluate(_BARS, chart)]

    def overflowing(self) -> list[str]:
        """What sticks out of the window, but for tables in a box that can be scrolled."""
        sticking_out: list[str] = self.page.evaluate(_OVERFLOWING)
        fits = self.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        return sticking_out if fits else [*sticking_out, "the page is wider than the window"]

    def least_contrast(self) -> float:
        """
        Of any text with what is behind it.

        Source:
            WCAG 2.2, relative luminance and contrast ratio; 4.5 is enough for any text.
        """
        return min(_contrast(text, behind) for text, behind in self.page.evaluate(_COLOURS))

    def pdf_pages(self, paper: str) -> int:
        """How many sheets it prints on."""
        return len(re.findall(rb"/Type\s*/Page\b", self.page.pdf(format=paper)))


@contextmanager
def visit(
    browser: Browser, url: str, *, width: int = DESKTOP, dark: bool = False, token: str | None = None
) -> Iterator[Visit]:
    """Open a page in a window of that width, in px, and close it in the end."""
    page = browser.new_page(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        extra_http_headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    opened = Visit(page)
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("console", lambda message: opened.complaints.append(message.text))
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    try:
        opened.response = page.goto(url)
        yield opened
    finally:
        page.close()


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
