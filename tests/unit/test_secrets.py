"""The scan for secrets finds each kind of them, and none where there is none."""

import pytest

from tests.secrets import PATTERNS, found

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIzZjBjIn0.c2lnbmF0dXJlLW9mLXRoaXM"  # made up
PLANTED = {
    "a token": [f"the header was {TOKEN}", f'{{"Authorization":"{TOKEN}"}}'],
    "an access key": ["AWS_ACCESS_KEY_ID is AKIAIOSFODNN7EXAMPLE"],
    "a private key": ["-----BEGIN RSA PRIVATE KEY-----\nMIIE"],
    "a password": [
        "password=hunter2hunter2",
        '{"MasterUserPassword": "hunter2hunter2"}',
        '"{\\"client_secret\\": \\"hunter2hunter2\\"}"',
        "DB_PASSWORD: hunter2hunter2",
    ],
    "a bearer's token": ["Authorization: Bearer abcdefghijklmnopqrstuvwxyz"],
    "an e-mail address": ["no vehicle has the vin 'Ann.Other@Example.com'"],
    "what a statement was given": [
        "[SQL: select book($1)]\n[parameters: ('9ZZ0TEST0VD000001',)]",
        "DETAIL:  Key (vin)=(9ZZ0TEST0VD000001) already exists.",
        "Failing row contains (1, 9ZZ0TEST0VD000001)",
    ],
}
HARMLESS = [
    "password=[secret] for [email] [parameters: …]",
    "[SQL parameters hidden due to hide_parameters=True]",
    "duplicate key: Key (vin)=(…)",
    '{"MasterUserPassword": {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "M"}, ":SecretString:…"]]}}',
    '"PasswordPolicy": {"MinimumLength": 12}',
    "registry.example/prom/prometheus@sha256:0123",
    "@track_performance",
    '"sub": "3f0c8a52-7d3e-4b6a-9c1d-5e2f4a6b8c0d"',
    "authorization: Bearer [secret]",
]


@pytest.mark.parametrize(("what", "text"), [(what, text) for what, texts in PLANTED.items() for text in texts])
def test_each_kind_of_secret_is_found(what: str, text: str) -> None:
    assert what in {finding.what for finding in found([("a log", text)], {})}


def test_every_kind_has_been_seen_to_be_found() -> None:
    assert PLANTED.keys() == PATTERNS.keys()


def test_a_secret_that_exists_is_found_whatever_it_looks_like() -> None:
    [finding] = found([("a log", "it said tuesday to me")], {"the password of ann": "tuesday"})

    assert (finding.what, finding.where, finding.around) == ("the password of ann", "a log", "it said ")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_speaks_of_secrets_is_none(text: str) -> None:
    assert found([("a log", text)], {}) == []
