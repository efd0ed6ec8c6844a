"""The API's own description, for machines and for people: no script, and nothing to fetch; read when asked for."""

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent

PROBLEM_JSON = "application/problem+json"
MAX_AGE_S = 300
"""How long a copy is used unasked; a release may change the API."""

_REFERENCE = "#/components/schemas/"


class Published(NamedTuple):
    """A text, and the ETag that changes with it."""

    text: str
    etag: str

    def is_known(self, if_none_match: str | None) -> bool:
        """
        Whether a caller has it already, by what If-None-Match says.

        Source:
            RFC 9110, 13.1.2: a list of ETags, compared weakly, or a star.
        """
        given = {each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")}
        return bool(given & {self.etag, "*"})


@cache
def document() -> Published:
    """The OpenAPI document, which says where the API is by where it was found itself."""
    return _published((HERE / "openapi.json").read_text())


@cache
def page() -> Published:
    """The same as a page for people."""
    return _published(rendered(json.loads(document().text)))


def rendered(described: dict[str, Any]) -> str:
    """Any such document as a whole HTML document."""
    shared = described["components"]["responses"]
    operations = [
        {"method": method, "path": path, **operation, "responses": _found(operation["responses"], shared)}
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    return _template().render(
        described=described,
        tagged=[(tag, [each for each in operations if tag["name"] in each["tags"]]) for tag in described["tags"]],
        refusals=_refusals(operations),
        schemas=described["components"]["schemas"],
    )


def _found(responses: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    return {
        status: shared[each["$ref"].rsplit("/", 1)[-1]] if "$ref" in each else each
        for status, each in responses.items()
    }


def _refusals(operations: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """One example of each code, in order of status."""
    found: dict[str, dict[str, Any]] = {}
    for operation in operations:
        for response in operation["responses"].values():
            for code, example in response.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {}).items():
                found.setdefault(code, example["value"])
    return dict(sorted(found.items(), key=lambda each: (each[1]["status"], each[0])))


def kind(schema: dict[str, Any]) -> str:
    """A schema in a few words: integer, 1 or more; one of AWD, 2WD; list of Dyno."""
    match schema:
        case {"$ref": reference}:
            said = str(reference).removeprefix(_REFERENCE)
        case {"anyOf": alternatives}:
            said = " or ".join(dict.fromkeys(map(kind, alternatives)))
        case {"allOf": [first, *_]}:
            said = kind(first)
        case {"const": only}:
            said = json.dumps(only)
        case {"enum": words}:
            said = f"one of {', '.join(map(str, words))}"
        case {"type": "array", "items": item}:
            said = f"list of {kind(item)}"
        case _:
            limits = [f"{words[0]}{schema[name]}{words[1]}" for name, words in _LIMITS.items() if name in schema]
            said = ", ".join([str(schema.get("format") or schema.get("type", "anything")), *limits])
    return said


def slug(method: str, path: str) -> str:
    """The name of a route within the page."""
    return "-".join([method, *path.replace("{", "").replace("}", "").strip("/").split("/")])


_LIMITS = {
    "minimum": ("", " or more"),
    "exclusiveMinimum": ("more than ", ""),
    "maximum": ("", " at most"),
    "exclusiveMaximum": ("less than ", ""),
    "minLength": ("at least ", " long"),
    "maxLength": ("at most ", " long"),
    "pattern": ("like ", ""),
}


def _published(text: str) -> Published:
    return Published(text, f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"')


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  # of no use to other routes
    from markupsafe import Markup, escape  # noqa: PLC0415  # likewise

    def prose(text: str) -> Markup:
        return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # what it says is escaped

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"kind": kind, "prose": prose, "slug": lambda each: slug(each["method"], each["path"])}
    environment.filters["pretty"] = lambda value: value if isinstance(value, str) else json.dumps(value, indent=2)
    return environment.get_template("reference.html")
