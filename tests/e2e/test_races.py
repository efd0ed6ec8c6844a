"""Crowds over real HTTP: exactly the right number win, and the others are told why."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest

from tests.e2e.site import Site, eventually, in_days

CROWD = 32
WARM_S = 180
Ask = Callable[[httpx.Client, int], httpx.Response]


@pytest.fixture(scope="module")
def crowd(site: Site) -> Callable[[int, Ask], list[httpx.Response]]:
    """Has so many clients ask at the same moment; a worker for each is up before the first race."""
    token = site.token("user")

    def race(size: int, ask: Ask) -> list[httpx.Response]:
        start = Barrier(size)

        def one(number: int) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=site.url, headers=headers, timeout=120, trust_env=False) as client:
                start.wait()
                return ask(client, number)

        with ThreadPoolExecutor(size) as pool:
            return list(pool.map(one, range(size)))

    # Asking who one is books nothing and leaves no line, so that ingest does not compete for the start-up.
    warmed = eventually(
        lambda: Counter(answer.status_code for answer in race(CROWD, lambda client, _: client.get("/me"))),
        lambda statuses: statuses == {200: CROWD},
        WARM_S,
    )
    assert warmed == {200: CROWD}
    return race


def outcomes(answers: list[httpx.Response]) -> Counter[tuple[int, str]]:
    return Counter((answer.status_code, answer.json().get("code", "booked")) for answer in answers)


def test_32_clients_want_the_last_free_dyno_of_a_day(
    site: Site, crowd: Callable[[int, Ask], list[httpx.Response]]
) -> None:
    site.add_dyno("e2e-last-dyno")
    vins = [site.add_vehicle() for _ in range(CROWD)]
    body = {"test_type": "e2e-last-dyno", "start_date": in_days(20), "days_to_complete": 2, "backup": False}

    answers = crowd(CROWD, lambda client, number: client.post("/allocations/auto", json={**body, "vin": vins[number]}))

    assert outcomes(answers) == {(201, "booked"): 1, (409, "no_dyno_available"): CROWD - 1}
    reasons = {one["reason"] for answer in answers if answer.status_code == 409 for one in answer.json()["rejected"]}
    assert reasons == {"booked", "not_capable"}


def test_32_clients_want_one_vehicle(site: Site, crowd: Callable[[int, Ask], list[httpx.Response]]) -> None:
    for _ in range(CROWD):
        site.add_dyno("e2e-one-vehicle")
    body = {
        "vin": site.add_vehicle(),
        "test_type": "e2e-one-vehicle",
        "start_date": in_days(20),
        "days_to_complete": 2,
        "backup": False,
    }

    answers = crowd(CROWD, lambda client, _: client.post("/allocations/auto", json=body))

    assert outcomes(answers) == {(201, "booked"): 1, (409, "vehicle_already_allocated"): CROWD - 1}


def test_16_clients_with_one_key_share_one_booking(
    site: Site, crowd: Callable[[int, Ask], list[httpx.Response]]
) -> None:
    site.add_dyno("e2e-one-key")
    body = {"vin": site.add_vehicle(), "test_type": "e2e-one-key", "start_date": in_days(20), "days_to_complete": 2}
    headers = {"Idempotency-Key": "e2e-one-key"}

    answers = crowd(16, lambda client, _: client.post("/allocations/auto", json=body, headers=headers))

    assert outcomes(answers) == {(201, "booked"): 16}
    assert len({answer.json()["allocation"]["allocation_id"] for answer in answers}) == 1
    assert Counter(answer.headers.get("idempotency-replayed") for answer in answers) == {None: 1, "true": 15}


def test_as_many_days_as_clients_are_all_booked(site: Site, crowd: Callable[[int, Ask], list[httpx.Response]]) -> None:
    site.add_dyno("e2e-a-day-each")
    vins = [site.add_vehicle() for _ in range(CROWD)]
    terms = {"test_type": "e2e-a-day-each", "start_date": in_days(20), "days_to_complete": 1}
    body = {**terms, "backup": True, "max_backup_days": CROWD - 1}

    answers = crowd(CROWD, lambda client, number: client.post("/allocations/auto", json={**body, "vin": vins[number]}))

    assert outcomes(answers) == {(201, "booked"): CROWD}
    assert len({answer.json()["allocation"]["start_date"] for answer in answers}) == CROWD
