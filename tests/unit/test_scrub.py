import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from dyno.scrub import READ_LIMIT, scrub

SECRET = st.text("abcdefghijkXYZ0123456789", min_size=6, max_size=40).map(lambda text: "zq" + text)
NOISE = st.text(max_size=60).map(lambda text: text.replace("zq", ""))

HIDING_PLACES = [
    "password={}",
    "PASSWORD: {}",
    '"password": "{}"',
    "{{'api_key': '{}'}}",
    "x-api-key={}",
    "aws_secret_access_key = {}",
    "refresh_token={}&next=1",
    "Authorization: Bearer {}",
    "authorization: Basic {}==",
    "Authorization: Digest username=u, response={}",
    "Set-Cookie: session={}; HttpOnly",
    "eyJhbGciOi.{}.sig",
    "postgresql://user:{}@host/db",
    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
    "mail {}@example.com now",
    '"{} smith"@example.com',
    "?user={}%40example.com",
    "[SQL: insert into t values ('{}', 'it''s')]",
    "[SQL: select 1]\n[parameters: ('{}', 1)]\n(Background on this error at: https://sqlalche.me/e/20/f405)",
    "Key (vin)=({}) already exists.",
    "conflicts with existing key (vin, days)=({}, x).",
    "Failing row contains (1, {}, null).",
    'invalid input syntax for type integer: "{}"',
    "unnamed portal parameter $1 = '{}'",
    "unnamed portal with parameters: $1 = '1', $2 = '{}'",
    "portal \"p\" with parameters: $1 = '{}'",
    'value "{}" is out of range for type integer',
    'date/time field value out of range: "{}"',
    "Key (lower(email::text))=({}) already exists.",
    "Key (coalesce(nullif(lower(vin), ''), 'none'))=({}) already exists.",
    '{{\\"password\\": \\"{}\\"}}',
    '{{\\"password\\": \\"a\\\\\\"b, {}\\"}}',
    '{{\\\\\\"password\\\\\\": \\\\\\"a, {}\\\\\\"}}',
    "password\n  Input should be a valid integer [type=int_type, input_value='{}', input_type=str]",
    "card\n  Extra inputs are not permitted [type=extra_forbidden, input_value={{'pin': '{}'}}, input_type=dict]",
    "[{{'type': 'int_type', 'loc': ('password',), 'input': '{}'}}]",
    "('password', '{}')",
    '["password", "a, {}"]',
    '{{"name":"password","value":"{}"}}',
    "{{'Key': 'db_password', 'Value': '{}'}}",
    '<add name="password" value="{}"/>',
    "password: foo {}",
    "password => {}",
    "{{:password=>'a, {}'}}",
    "password=b'a, {}'",
    "<password>{}</password>",
    '<ns:userPassword type="text"><![CDATA[{}]]></ns:userPassword>',
    "[('authorization', 'Token {}')]",
    '{{\\"Authorization\\": \\"Token {}\\"}}',
    "HTTP_AUTHORIZATION=Token {}",
    "https://x.blob.core.windows.net/c?sv=1&sig={}&se=2",
    "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature={}",
    "ghp_{}",
    "github_pat_{}",
    "xoxb-{}",
]


@given(st.sampled_from(HIDING_PLACES), SECRET, NOISE, NOISE)
def test_what_is_secret_is_not_kept(place: str, secret: str, before: str, after: str) -> None:
    kept = scrub(f"{before} {place.format(secret)} {after}", 10_000)

    assert secret not in kept


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_the_check_itself_would_see_a_secret_that_is_kept(place: str) -> None:
    assert "zqabcdef" in place.format("zqabcdef")


@given(st.text(max_size=6000), st.integers(1, 600))
def test_what_is_kept_is_within_the_limit_and_storable(given_text: str, limit: int) -> None:
    kept = scrub(given_text, limit)

    assert len(kept) <= limit
    assert "\0" not in kept
    kept.encode()


@given(st.text(st.characters(codec="ascii", categories=["Ll", "Zs"]), max_size=200))
def test_plain_words_are_left_alone(words: str) -> None:
    assert scrub(f"dyno 7: {words}", 1000) == f"dyno 7: {words}"


def test_a_cut_does_not_uncover_half_a_secret() -> None:
    told = "password=" + "x" * (READ_LIMIT - 30) + " bob@example.com"

    assert "bob" not in scrub(told, 500)


def test_half_a_surrogate_pair_is_made_storable() -> None:
    assert scrub("a\ud800b\0c", 10) == "a?b�c"


@pytest.mark.parametrize(
    "text_of",
    [
        "a" * READ_LIMIT,
        "a@" * READ_LIMIT,
        "token" * READ_LIMIT,
        "'" * READ_LIMIT,
        "key (" * READ_LIMIT,
        '"' * READ_LIMIT,
        "password" * READ_LIMIT,
        "password: " * READ_LIMIT,
        "password => " * READ_LIMIT,
        'password", ' * READ_LIMIT,
        'password" value ' * READ_LIMIT,
        'password: \\"' * READ_LIMIT,
        'password: \\\\\\"' + '\\"' * READ_LIMIT,
        "password: " + "\\" * READ_LIMIT,
        "<password " * READ_LIMIT,
        "<" * READ_LIMIT,
        "<a" * READ_LIMIT,
        "<password>" * READ_LIMIT,
        "cookie" + "\\" * READ_LIMIT,
        "cookie'" * READ_LIMIT,
        "input_value=" * READ_LIMIT,
        'value "' * READ_LIMIT,
        "sig=" * READ_LIMIT,
        "ghp_" * READ_LIMIT,
        "key ((" * READ_LIMIT,
    ],
)
def test_no_text_takes_long(text_of: str) -> None:
    whole = text_of[:READ_LIMIT]  # what is longer would be cut
    began = time.perf_counter()

    scrub(whole, 500)

    assert time.perf_counter() - began < 0.25


def test_what_sqlalchemy_says_of_a_failed_statement_keeps_the_reason_only() -> None:
    with create_engine("sqlite://").connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text("select * from nowhere where vin = :vin"), {"vin": "9ZZSECRET"})

    kept = scrub(str(caught.value), 500)

    assert "no such table: nowhere" in kept
    assert "9ZZSECRET" not in kept
