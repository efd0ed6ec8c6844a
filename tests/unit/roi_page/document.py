"""A page taken apart without a browser: whether its tags nest, and what it says where."""

import re
from html.parser import HTMLParser

APART = {"td", "th", "dt", "dd", "tr", "p"}
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Document(HTMLParser):
    """
    A document whose tags nest; SVG's that close themselves are closed.

    Attributes:
        tags: Each with its attributes, in order.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.faults: list[str] = []
        self._open: list[str] = []
        self._said: list[tuple[tuple[str, ...], str]] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag in self._open]
        ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]
        self.faults += [f"id {each} is not the only one" for each in ids if ids.count(each) > 1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.faults += [f"<{tag}> has two of {name}" for name in named if [each for each, _ in attrs].count(name) > 1]
        self.tags.append((tag, named))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> at line {self.getpos()[0]} closes nothing; open are {self._open}")
        else:
            self._said.append((tuple(self._open), " " if tag in APART else ""))
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self._said.append((tuple(self._open), data))

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each such tag."""
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self, within: str = "body") -> str:
        """What stands there, in one line."""
        said = "".join(data for path, data in self._said if within in path and "style" not in path)
        return re.sub(r"\s+", " ", said).strip()


def figure(html: str, name: str) -> list[str]:
    """What stands in the first card or row of a figure, piece by piece."""
    found = re.search(rf'data-figure="{name}">(.*?)</(?:div|tr)>', html, re.DOTALL)
    assert found, name
    pieces = re.sub(r"<[^>]*>", "\n", found[1]).split("\n")
    return [piece.strip().replace("\N{NO-BREAK SPACE}", " ") for piece in pieces if piece.strip()]
