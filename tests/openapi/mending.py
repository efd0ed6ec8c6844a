"""Schemas as the library makes them, without what it gets wrong or says twice."""

import re
from typing import Any


def mended(node: Any) -> Any:
    """Schemas without what the library gets wrong or says twice."""
    if isinstance(node, list):
        return [mended(each) for each in node]
    if isinstance(node, float) and node.is_integer():
        return int(node)
    if not isinstance(node, dict):
        return node
    # Limits of a parameter whose own validator comes first are named as in Python.
    spelt = {"lt": "exclusiveMaximum", "le": "maximum", "gt": "exclusiveMinimum", "ge": "minimum"}
    node = {spelt.get(name, name): mended(each) for name, each in node.items()}
    if isinstance(node.get("title"), str):
        del node["title"]
    if isinstance(said := node.get("description"), str):
        node["description"] = plain(said)
    alternatives = node.get("anyOf", [])
    kinds = [each.get("type") for each in alternatives]
    # Numbers that pydantic would also take as text; the service does not.
    if "number" in kinds and (text := next((each for each in alternatives if each.get("type") == "string"), None)):
        alternatives.remove(text)
    if kinds == ["integer", "number"]:
        alternatives.pop(0)
    if len(alternatives) == 1:
        del node["anyOf"]
        node |= alternatives[0]
    return node


def plain(docstring: str) -> str:
    """A docstring as prose: its attributes as a list."""
    said, _, attributes = docstring.partition("\n\nAttributes:\n")
    lines = re.sub(r"\n {8,}", " ", attributes).splitlines()
    return "\n".join([said, *("", *(f"- {line.strip()}" for line in lines)) * bool(lines)])
