"""
Attacks on who may come in, against the deployed stack: tokens that are nearly right.

The gateway checks signatures, the functions what a token says. What the gateway refuses is handed to the function by
its claims, too, as by a gateway that does not look: there it does what it was made for, or is refused once more.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cdk.local import aws, users
from tests.e2e.pool import Pool, Tokens, another, machine_token
from tests.e2e.site import Site, in_days
from tests.functions.conftest import gateway_event

ADMINS = "/users"
"""Only an admin's token opens it."""

Parts = dict[str, Any]


@pytest.fixture(scope="module")
def admin_tokens(site: Site) -> Iterator[Tokens]:
    with Pool.of(site.deployed).person("admin") as tokens:
        yield tokens


def parts(token: str) -> tuple[Parts, Parts]:
    """Header and claims."""
    header, claims, _ = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    return json.loads(header), json.loads(claims)


def encoded(header: Parts, claims: Parts) -> str:
    return f"{_url(json.dumps(header).encode())}.{_url(json.dumps(claims).encode())}"


def signed(header: Parts, claims: Parts, key: rsa.RSAPrivateKey) -> str:
    text = encoded(header, claims)
    return f"{text}.{_url(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def own_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pools_key(site: Site, use: str = "id") -> rsa.RSAPrivateKey:
    """The one that nobody outside has."""
    file = site.instance.folder / "aws-state" / "cognito-pool-keys" / f"{site.deployed.user_pool_id}-{use}.pem"
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def at_the_gateway(site: Site, token: str, path: str = ADMINS) -> int:
    return httpx.get(
        f"{site.url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=35, trust_env=False
    ).status_code


def past_the_gateway(site: Site, token: str, path: str = ADMINS, function: str = "allocations") -> int:
    """The same to a gateway that believes every token: the deployed function is called with the claims as they are."""
    _, claims = parts(token)
    as_text = {
        name: f"[{' '.join(value)}]" if isinstance(value, list) else str(value) for name, value in claims.items()
    }
    answer = aws.client("lambda", site.deployed.aws_port).invoke(
        FunctionName=site.deployed.functions[function],
        Payload=json.dumps(gateway_event("GET", path, authorised=as_text)),
    )
    status: int = json.loads(answer["Payload"].read())["statusCode"]
    return status


def unsigned(site: Site, header: Parts, claims: Parts) -> str:
    return f"{encoded({'alg': 'none', 'kid': header['kid'], 'typ': 'JWT'}, claims)}."


def unsigned_with_a_signature(site: Site, header: Parts, claims: Parts) -> str:
    return f"{encoded(header | {'alg': 'nOnE'}, claims)}.{_url(secrets.token_bytes(256))}"


def without_signature(site: Site, header: Parts, claims: Parts) -> str:
    return f"{encoded(header, claims)}."


def of_another_kid(site: Site, header: Parts, claims: Parts) -> str:
    return signed(header | {"kid": "mine"}, claims, own_key())


def without_kid(site: Site, header: Parts, claims: Parts) -> str:
    return signed({"alg": "RS256"}, claims, own_key())


def by_a_foreign_key(site: Site, header: Parts, claims: Parts) -> str:
    return signed(header, claims, own_key())


def with_a_key_of_its_own(site: Site, header: Parts, claims: Parts) -> str:
    """It brings the key that it is to be checked by, and says where there are more."""
    key = own_key()
    numbers = key.public_key().public_numbers()
    jwk = {"kty": "RSA", "kid": header["kid"], "n": _number(numbers.n), "e": _number(numbers.e)}
    return signed(header | {"jwk": jwk, "jku": f"{site.url}/keys"}, claims, key)


def by_the_public_key(site: Site, header: Parts, claims: Parts) -> str:
    """The key that everybody may know, taken for a secret of both sides."""
    public = pools_key(site).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = encoded(header | {"alg": "HS256"}, claims)
    return f"{text}.{_url(hmac.new(pem, text.encode(), hashlib.sha256).digest())}"


def by_the_other_key(site: Site, header: Parts, claims: Parts) -> str:
    """The pool's own, but of its access tokens, under the kid of its ID tokens."""
    return signed(header, claims, pools_key(site, "access"))


def changed_since(site: Site, header: Parts, claims: Parts) -> str:
    """A user's token, its group changed and its signature kept."""
    token = site.token("user")
    genuine, _, signature = token.split(".")
    _, of_a_user = parts(token)
    return f"{genuine}.{_url(json.dumps(of_a_user | {'cognito:groups': ['admin']}).encode())}.{signature}"


def _number(value: int) -> str:
    return _url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


FORGERIES = [
    unsigned,
    unsigned_with_a_signature,
    without_signature,
    of_another_kid,
    without_kid,
    by_a_foreign_key,
    with_a_key_of_its_own,
    by_the_public_key,
    by_the_other_key,
    changed_since,
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_token_that_the_pool_did_not_sign_is_refused(site: Site, admin_tokens: Tokens, forge: Any) -> None:
    header, claims = parts(admin_tokens.id)

    token = forge(site, header, claims)

    assert at_the_gateway(site, token) == 401
    assert past_the_gateway(site, token) == 200  # nothing else is wrong with it
    assert at_the_gateway(site, signed(header, claims, pools_key(site))) == 200


def test_a_token_of_another_pool_is_refused_twice(site: Site) -> None:
    with another(site.deployed) as pool, pool.person("admin") as tokens:
        _, claims = parts(tokens.id)
        ours = {"iss": f"https://cognito-idp.us-east-1.amazonaws.com/{site.deployed.user_pool_id}"}
        renamed = encoded({}, claims | ours | {"aud": site.deployed.web_client_id}) + "."

        assert at_the_gateway(site, tokens.id) == 401
        assert past_the_gateway(site, tokens.id) == 401
        assert past_the_gateway(site, renamed) == 200  # but for the names of the pool and its client, it is good


def test_a_token_of_another_client_of_the_pool_is_refused(site: Site) -> None:
    """The gateway knows pools and no clients: only the function looks."""
    ours = Pool.of(site.deployed)
    made = ours.client.create_user_pool_client(
        UserPoolId=ours.pool_id, ClientName="another", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
    )
    theirs = Pool(ours.client, ours.pool_id, made["UserPoolClient"]["ClientId"])
    try:
        with theirs.person("admin") as tokens:
            header, claims = parts(tokens.id)

            assert at_the_gateway(site, tokens.id) == 401
            of_ours = claims | {"aud": site.deployed.web_client_id}
            assert at_the_gateway(site, signed(header, of_ours, pools_key(site))) == 200
    finally:
        ours.client.delete_user_pool_client(UserPoolId=ours.pool_id, ClientId=theirs.client_id)


def test_an_expired_token_is_refused_twice(site: Site, admin_tokens: Tokens) -> None:
    header, claims = parts(admin_tokens.id)
    now = int(time.time())

    expired, lasting = (signed(header, claims | {"exp": now + left_s}, pools_key(site)) for left_s in (-1, 60))

    assert (at_the_gateway(site, expired), past_the_gateway(site, expired)) == (401, 401)
    assert (at_the_gateway(site, lasting), past_the_gateway(site, lasting)) == (200, 200)


def test_a_persons_access_token_opens_nothing(site: Site, admin_tokens: Tokens) -> None:
    """It is of the same person and the same pool, and no less valid: it is of the wrong kind."""
    _, claims = parts(admin_tokens.access)
    renamed = claims | {"token_use": "id", "aud": site.deployed.web_client_id}

    assert claims["cognito:groups"] == ["admin"]
    assert [at_the_gateway(site, admin_tokens.access, path) for path in (ADMINS, "/me", "/dynos")] == [401] * 3
    assert past_the_gateway(site, admin_tokens.access) == 401
    assert past_the_gateway(site, encoded({}, renamed) + ".") == 200


def test_a_persons_access_token_with_the_scope_does_not_scrape(site: Site, admin_tokens: Tokens) -> None:
    """Signed by the pool and with the scope, so that the gateway lets it through: it is of the wrong client."""
    header, claims = parts(admin_tokens.access)
    scoped = claims | {"scope": "metrics/read"}
    key = pools_key(site, "access")

    assert at_the_gateway(site, signed(header, scoped, key), "/metrics/prometheus") == 401
    of_the_scraper = scoped | {"client_id": site.deployed.scraper_client_id}
    assert at_the_gateway(site, signed(header, of_the_scraper, key), "/metrics/prometheus") == 200


def test_an_id_token_does_not_scrape_even_with_the_scope_in_it(site: Site, admin_tokens: Tokens) -> None:
    header, claims = parts(admin_tokens.id)
    scoped = signed(header, claims | {"scope": "metrics/read"}, pools_key(site))

    # With the scope the gateway lets it through, here; on AWS it does not. The function refuses it anyway.
    assert at_the_gateway(site, admin_tokens.id, "/metrics/prometheus") == 401
    assert at_the_gateway(site, scoped, "/metrics/prometheus") in {401, 403}
    assert past_the_gateway(site, scoped, "/metrics/prometheus", "metrics") == 403
    assert at_the_gateway(site, machine_token(site.deployed), "/metrics/prometheus") == 200


def test_a_machine_is_no_person_whatever_groups_its_token_has(site: Site) -> None:
    header, claims = parts(machine_token(site.deployed))
    grouped = signed(header, claims | {"cognito:groups": ["admin"]}, pools_key(site, "access"))

    assert [at_the_gateway(site, grouped, path) for path in (ADMINS, "/me", "/dynos", "/allocations")] == [403] * 4
    assert at_the_gateway(site, grouped, "/metrics/prometheus") == 200


def test_a_group_whose_name_holds_admin_makes_no_admin(site: Site) -> None:
    pool = Pool.of(site.deployed)
    group = f"{secrets.token_hex(4)},admin"
    pool.client.create_group(UserPoolId=pool.pool_id, GroupName=group)
    try:
        with pool.person(group) as tokens, pool.person("admin") as admin:
            assert parts(tokens.id)[1]["cognito:groups"] == [group]
            assert at_the_gateway(site, tokens.id) == 403
            assert at_the_gateway(site, admin.id) == 200
    finally:
        pool.client.delete_group(UserPoolId=pool.pool_id, GroupName=group)


def refusal(pool: Pool, name: str) -> str:
    with pytest.raises(pool.client.exceptions.ClientError) as refused:
        pool.sign_in(name, "Aa1-not-the-password")
    return str(refused.value)


def test_signing_in_does_not_tell_who_is_in_the_pool(site: Site) -> None:
    pool = Pool.of(site.deployed)
    known, unknown = users.email("admin"), f"{secrets.token_hex(6)}@dyno.example"

    assert refusal(pool, unknown) == refusal(pool, known)


def test_a_client_that_tells_who_is_in_the_pool_would_be_noticed(site: Site) -> None:
    pool = Pool.of(site.deployed)
    made = pool.client.create_user_pool_client(
        UserPoolId=pool.pool_id,
        ClientName="talkative",
        ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"],
        PreventUserExistenceErrors="LEGACY",
    )
    talkative = Pool(pool.client, pool.pool_id, made["UserPoolClient"]["ClientId"])
    try:
        assert refusal(talkative, f"{secrets.token_hex(6)}@dyno.example") != refusal(talkative, users.email("admin"))
    finally:
        pool.client.delete_user_pool_client(UserPoolId=pool.pool_id, ClientId=talkative.client_id)


def test_an_idempotency_key_of_another_person_gives_nothing_of_theirs(site: Site) -> None:
    dyno_id = site.add_dyno("e2e-keys")
    body = {"test_type": "e2e-keys", "start_date": in_days(60), "days_to_complete": 1, "max_backup_days": 7}
    request, key = body | {"vin": site.add_vehicle()}, {"Idempotency-Key": secrets.token_hex(8)}

    with site.client("user") as ann, site.client("power_user") as bob:
        first, other, again = (who.post("/allocations/auto", json=request, headers=key) for who in (ann, bob, ann))

    mine, theirs = first.json()["allocation"], other.json()["allocation"]
    assert mine["dyno_id"] == theirs["dyno_id"] == dyno_id
    assert (theirs["booked_by"], "Idempotency-Replayed" in other.headers) == (
        users.sub(site.token("power_user")),
        False,
    )
    assert theirs["allocation_id"] != mine["allocation_id"]
    assert (again.json()["allocation"], again.headers["Idempotency-Replayed"]) == (mine, "true")
