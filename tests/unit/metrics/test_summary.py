import json
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from dyno.metrics.line import MAX_BYTES, MAX_NAME, Finished, Lines
from dyno.metrics.summary import MAX_KEYS, MAX_KEYS_BYTES, MAX_NUMBER, summary

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

    replayed: bool = False


def test_what_is_known_of_a_class_is_not_taken_for_its_results() -> None:
    assert told(Answer(allocation=Allocation(allocation_id=5))) == (
        {"result_keys": ["allocation", "success", "replayed"], "success_flag": True, "allocation_id": 5},
        True,
    )
    assert told(Answer(allocation=Allocation(allocation_id=6), success=False, replayed=True)) == (
        {
            "result_keys": ["allocation", "success", "replayed"],
            "success_flag": False,
            "replayed": True,
            "allocation_id": 6,
        },
        False,
    )


@pytest.mark.parametrize("result", [None, 5, "text", [1], (1, 2), object(), Answer, dict, Ellipsis])
def test_what_has_no_parts_says_nothing(result: Any) -> None:
    assert summary(result) == ("{}", False)


def test_of_many_keys_the_first_are_told() -> None:
    metadata, _ = told({str(number): number for number in range(MAX_KEYS + 10)})

    assert metadata["result_keys"] == [str(number) for number in range(MAX_KEYS)]


def test_keys_are_scrubbed_as_they_may_be_data() -> None:
    metadata, _ = told({"ann@example.com": 1, "ghp_zqabcdef": 2, "password=zqabc": 3, "vin": 4})

    assert metadata["result_keys"] == ["[email]", "[secret]", "password=[secret]", "vin"]


def test_keys_that_are_equal_but_not_the_same_are_told_each_as_it_is() -> None:
    assert [told({key: 0})[0]["result_keys"] for key in (1, True, 1.0)] == [["1"], ["True"], ["1.0"]]


@dataclass
class Placed:
    limit: ClassVar[int] = 5
    allocation_id: int = 7


def test_what_belongs_to_a_dataclass_itself_is_no_part_of_its_results() -> None:
    assert told(Placed()) == ({"result_keys": ["allocation_id"], "allocation_id": 7}, True)


class Asks(BaseModel):
    vin: str = "x"

    @property
    def allocation_id(self) -> int:
        raise AssertionError("the caller's code is not run")

    @property
    def success(self) -> bool:
        raise AssertionError("the caller's code is not run")


def test_no_property_is_asked() -> None:
    assert told(Asks()) == ({"result_keys": ["vin"]}, False)


@pytest.mark.parametrize("key", ["k" * 64, "\N{GRINNING FACE}" * 64])
def test_however_long_the_keys_what_was_placed_is_on_the_line(key: str) -> None:
    result = {f"{number}{key}": 0 for number in range(60)} | {"allocation_id": 7, "replayed": True, "shift_days": 1}
    metadata, _ = summary(result)
    widest = "\N{GRINNING FACE}" * MAX_NAME
    call = Finished(f"{'0' * 16}-{10**9}", "c" * 128, widest, widest, widest, "success", 1.0, 10**18, metadata=metadata)

    line = Lines("cloudwatch", "N", widest).line(call)

    kept = json.loads(line)["metadata"]
    assert len(line) <= MAX_BYTES
    assert (kept["allocation_id"], kept["replayed"], kept["shift_days"]) == (7, True, 1)
    assert kept["result_keys"]
    assert len(json.dumps(kept["result_keys"], separators=(",", ":"))) <= MAX_KEYS_BYTES + 2
