import json
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import make_dataclass
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from dyno.metrics.summary import MAX_KEYS, MAX_NUMBER, summary

NAMES = ("success", "backup_used", "replayed", "shift_days", "allocation_id", "allocation", "message")
VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.just(10**40) | st.floats() | st.text() | st.just([])
)
INNER = st.dictionaries(st.sampled_from(["allocation_id", "dyno_id"]), VALUES)
RESULTS = st.dictionaries(st.sampled_from(NAMES), VALUES | INNER, max_size=7)


def plainly(result: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """What a result says of itself, told without any haste."""
    allocation = result.get("allocation")
    inner = allocation.get("allocation_id") if isinstance(allocation, dict) else None
    own = result.get("allocation_id")
    numbers = {"shift_days": result.get("shift_days"), "allocation_id": inner if own is None else own}
    flags = {"success_flag": result.get("success"), "backup_used": result.get("backup_used")}
    told: dict[str, Any] = {name: flag for name, flag in flags.items() if isinstance(flag, bool)}
    told |= {"replayed": True} if result.get("replayed") is True else {}
    told |= {name: n for name, n in numbers.items() if type(n) is int and abs(n) < MAX_NUMBER}
    placed = "allocation_id" in told and told.get("success_flag") is not False and "replayed" not in told
    return {"result_keys": list(result), **told}, placed


def told(result: object) -> tuple[dict[str, Any], bool]:
    metadata, placed = summary(result)
    return json.loads(metadata), placed


class Own(Mapping[str, Any]):
    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given

    def __getitem__(self, name: str) -> Any:
        return self.given[name]

    def __iter__(self) -> Any:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


@given(RESULTS)
def test_a_result_of_any_make_says_the_same(result: dict[str, Any]) -> None:
    model = create_model("Model", **dict.fromkeys(result, (Any, ...)))  # type: ignore[call-overload]
    made: list[object] = [result, MappingProxyType(result), Own(result), ChainMap(result), model(**result)]
    made.append(make_dataclass("Data", result)(**result))

    assert [told(each) for each in made] == [plainly(result)] * len(made)


class Allocation(BaseModel):
    allocation_id: int


class Answer(BaseModel):
    allocation: Allocation | None
    success: bool = True

    @property
    def replayed(self) -> bool:
        return self.allocation is None or self.allocation.allocation_id > 5


def test_what_is_known_of_a_class_is_not_taken_for_its_results() -> None:
    assert told(Answer(allocation=Allocation(allocation_id=5))) == (
        {"result_keys": ["allocation", "success"], "success_flag": True, "allocation_id": 5},
        True,
    )
    assert told(Answer(allocation=Allocation(allocation_id=6), success=False)) == (
        {"result_keys": ["allocation", "success"], "success_flag": False, "replayed": True, "allocation_id": 6},
        False,
    )


@pytest.mark.parametrize("result", [None, 5, "text", [1], (1, 2), object(), Answer, dict, Ellipsis])
def test_what_has_no_parts_says_nothing(result: Any) -> None:
    assert summary(result) == ("{}", False)


def test_of_many_keys_the_first_are_told() -> None:
    metadata, _ = told({str(number): number for number in range(MAX_KEYS + 10)})

    assert metadata["result_keys"] == [str(number) for number in range(MAX_KEYS)]
