"""What callers get over HTTP: the curl lines of the README, every role, and the right problem for every bad request."""

import base64
import json
import re
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cdk.local.instance import ROOT
from tests.e2e.site import Site, eventually, in_days

GOOD = {"test_type": "brake", "start_date": in_days(400), "days_to_complete": 1}
VIN = "9ZZ8LMF12VD000001"
ID = "e2e-answers.1"


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert {"type", "title", "status", "detail", "code", "correlation_id", "errors"} <= problem.keys()
    assert problem["status"] == status
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]
    return problem


def test_health_needs_no_token(nobody: httpx.Client) -> None:
    assert [nobody.get(path).status_code for path in ("/health/live", "/health/ready")] == [200, 200]


def test_the_apis_description_needs_no_token_and_leads_to_the_api(nobody: httpx.Client) -> None:
    page, described = nobody.get("/docs"), nobody.get("/openapi.json")
    again = nobody.get("/docs", headers={"If-None-Match": page.headers["etag"]})

    server = described.url.join(described.json()["servers"][0]["url"])
    assert [page.status_code, described.status_code, again.status_code] == [200, 200, 304]
    assert page.headers["content-type"].startswith("text/html")
    assert described.json() == json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert nobody.get(server.join("health/live")).json() == {"status": "live"}


@pytest.mark.parametrize("role", ["user", "power_user", "admin"])
def test_each_role_can_sign_in_and_look(site: Site, role: str) -> None:
    with site.client(role) as client:
        assert client.get("/me").json()["role"] == role
        answers = {path: client.get(path) for path in ("/dynos", "/vehicles", "/allocations", "/metrics/performance")}

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)


def test_the_sample_lab_is_there(user: httpx.Client) -> None:
    dynos = user.get("/dynos", params={"limit": 500}).json()["items"]

    assert {"Cell 1", "Climate 3"} <= {dyno["name"] for dyno in dynos}


def test_the_deep_health_check_names_each_dependency(user: httpx.Client) -> None:
    # The first batch of a new stack, that of its start, may just be on its way into the snapshot.
    answer = eventually(lambda: user.get("/metrics/health"), lambda seen: seen.status_code == 200)

    assert answer.status_code == 200, answer.text


def test_a_call_can_be_looked_up_by_its_correlation_id(user: httpx.Client) -> None:
    answer = user.get("/dynos", headers={"X-Correlation-Id": ID})

    assert answer.headers["x-correlation-id"] == ID


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "route_not_found"),
        ("POST", "/health/live", 404, "route_not_found"),
        ("GET", "/dynos", 401, "unauthorized"),
        ("POST", "/allocations/auto", 401, "unauthorized"),
    ],
)
def test_the_gateways_own_refusals_are_problems(
    nobody: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    assert_problem(nobody.request(method, path), status, code)


BAD = {
    "malformed JSON": b'{"vin": ',
    "not an object": b"[]",
    "nothing": b"",
    "wrong types": {**GOOD, "vin": VIN, "days_to_complete": "two"},
    "a number for a text": {**GOOD, "vin": 7},
    "a fraction of days": {**GOOD, "vin": VIN, "days_to_complete": 1.5},
    "an unknown field": {**GOOD, "vin": VIN, "colour": "red"},
    "a past date": {**GOOD, "vin": VIN, "start_date": in_days(-1)},
    "no such date": {**GOOD, "vin": VIN, "start_date": "2027-02-30"},
    "no days": {**GOOD, "vin": VIN, "days_to_complete": 0},
    "10,000 days": {**GOOD, "vin": VIN, "days_to_complete": 10_000},
    "a negative backup": {**GOOD, "vin": VIN, "backup": True, "max_backup_days": -1},
    "the year 9999": {**GOOD, "vin": VIN, "start_date": "9999-12-31"},
    "a long test type": {**GOOD, "vin": VIN, "test_type": "x" * 5_000},
    "both vin and vehicle_id": {**GOOD, "vin": VIN, "vehicle_id": 1},
    "neither vin nor vehicle_id": GOOD,
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_what_can_never_succeed_is_422_and_writes_nothing(
    site: Site, user: httpx.Client, body: bytes | dict[str, Any]
) -> None:
    before = site.written()
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "X-Correlation-Id": ID, "Idempotency-Key": "bad-1"}

    answer = user.post("/allocations/auto", content=content, headers=headers)

    assert assert_problem(answer, 422, "invalid_request")["correlation_id"] == ID
    assert site.written() == before


@pytest.mark.parametrize("vin", ["9ZZNOSUCHVEHICLE1", "x", "'; drop table dynos; --", "ü" * 17, "1 OR 1=1"])
def test_an_unknown_vin_of_any_shape_is_404_and_writes_nothing(site: Site, user: httpx.Client, vin: str) -> None:
    before = site.written()

    answer = user.post("/allocations/auto", json={**GOOD, "vin": vin}, headers={"X-Correlation-Id": ID})

    assert assert_problem(answer, 404, "vehicle_not_found")["correlation_id"] == ID
    assert site.written() == before


def test_sql_in_a_test_type_is_only_a_test_nobody_runs(site: Site, user: httpx.Client) -> None:
    before = site.written()

    answer = user.post("/allocations/auto", json={**GOOD, "vin": VIN, "test_type": "brake'; drop table dynos; --"})

    problem = assert_problem(answer, 409, "no_dyno_available")
    assert {rejected["reason"] for rejected in problem["rejected"]} == {"not_capable"}
    assert site.written() == before


@pytest.mark.parametrize(
    "token",
    ["garbage", "a.b.c", "Bearer", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9."],
    ids=["word", "dots", "bare", "none"],
)
def test_a_garbage_token_is_401(site: Site, nobody: httpx.Client, token: str) -> None:
    before = site.written()

    answer = nobody.post("/allocations/auto", json={**GOOD, "vin": VIN}, headers={"Authorization": f"Bearer {token}"})

    assert_problem(answer, 401, "unauthorized")
    assert site.written() == before


def test_an_expired_token_is_401(site: Site, nobody: httpx.Client) -> None:
    token = forged(site, exp=int(time.time()) - 60)

    answer = nobody.get("/dynos", headers={"Authorization": f"Bearer {token}"})

    # ministack does not tell an expired token from an invalid one; AWS does.
    assert_problem(answer, 401, "unauthorized" if answer.json()["code"] == "unauthorized" else "token_expired")


def test_the_same_forged_token_is_good_while_it_lasts(site: Site, nobody: httpx.Client) -> None:
    token = forged(site, exp=int(time.time()) + 60)

    assert nobody.get("/dynos", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_user_may_not_cancel_what_another_booked(site: Site, admin: httpx.Client, user: httpx.Client) -> None:
    site.add_dyno("e2e-cancel")
    body = {"vin": site.add_vehicle(), "test_type": "e2e-cancel", "start_date": in_days(30), "days_to_complete": 1}
    allocation_id = admin.post("/allocations/auto", json=body).json()["allocation"]["allocation_id"]

    refused = user.delete(f"/allocations/{allocation_id}", headers={"X-Correlation-Id": ID})
    still_there = user.get(f"/allocations/{allocation_id}").json()
    cancelled = admin.delete(f"/allocations/{allocation_id}")

    assert assert_problem(refused, 403, "forbidden")["correlation_id"] == ID
    assert (still_there["status"], cancelled.status_code) == ("scheduled", 200)


def test_a_machines_token_opens_the_exposition_and_nothing_else(site: Site, nobody: httpx.Client) -> None:
    exposition = nobody.get("/metrics/prometheus")
    by_a_person = nobody.get("/metrics/prometheus", headers={"Authorization": f"Bearer {site.token()}"})

    assert exposition.status_code == 200
    assert by_a_person.status_code in {401, 403}


def test_a_body_larger_than_the_gateway_takes_is_refused(user: httpx.Client) -> None:
    answer = user.post("/allocations/auto", content=b'{"vin": "' + b"x" * 11_000_000 + b'"}')

    assert 400 <= answer.status_code < 500


def forged(site: Site, exp: int) -> str:
    """A token like the user's own, signed by the pool's own key, with another end."""
    head, claims, _ = site.token().split(".")
    renewed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"exp": exp}
    signed = f"{head}.{_url(json.dumps(renewed).encode())}"
    [key_file] = (site.instance.folder / "aws-state" / "cognito-pool-keys").glob("*-id.pem")
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return f"{signed}.{_url(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_one_function_can_be_invoked_with_an_event_of_another_gateway(site: Site) -> None:
    command = ["--stack", site.instance.folder.name, "invoke", "--name", "allocations"]
    event = "events/auto_allocation.json"

    invoked = subprocess.run(
        [sys.executable, "-m", "cdk.local", *command, "--event", event],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(invoked.stdout)["statusCode"] in {201, 404, 409, 422}
    assert '"dyno-call/1"' in invoked.stderr or "correlation_id" in invoked.stderr


def test_a_token_is_all_that_is_printed_and_an_unknown_role_prints_none(site: Site) -> None:
    def token(role: str) -> subprocess.CompletedProcess[str]:
        command = ["--stack", site.instance.folder.name, "token", "--role", role]
        return subprocess.run(
            [sys.executable, "-m", "cdk.local", *command], cwd=ROOT, capture_output=True, text=True, check=False
        )

    admin, boss = token("admin"), token("boss")
    claims = json.loads(base64.urlsafe_b64decode(admin.stdout.split(".")[1] + "=="))

    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", admin.stdout)
    assert claims["exp"] - time.time() > 23.9 * 3600
    assert (boss.returncode, boss.stdout) == (1, "")
    assert "no role 'boss'" in boss.stderr
