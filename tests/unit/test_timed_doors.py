from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from dyno.observability import Request, current_request
from functions.lifecycle import handler as lifecycle
from functions.redrive import handler as redrive
from functions.roi import handler as roi

TIMER = {"id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event", "detail": {}}


class Reached(Exception): ...


@pytest.mark.parametrize(("door", "first"), [(lifecycle, "settings"), (redrive, "redrive"), (roi, "settings")])
def test_what_a_timed_door_does_is_of_a_request(door: ModuleType, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Request | None] = []

    def reach(*_: Any, **__: Any) -> None:
        served.append(current_request())
        raise Reached

    monkeypatch.setattr(door, first, reach)
    monkeypatch.setattr(door, "Leftovers", lambda _: None, raising=False)
    monkeypatch.setattr(door, "RedriveSettings", SimpleNamespace(from_env=lambda _: None), raising=False)
    monkeypatch.setattr(door, "Asked", SimpleNamespace(of=lambda _: None), raising=False)

    with pytest.raises(Reached):
        door.handler(TIMER, None)

    assert served == [Request("53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa")]
