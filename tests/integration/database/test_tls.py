"""
Whom the service greets, and gives its token to: the server its certificates vouch for, and nobody else.

The test's PostgreSQL has no TLS; a proxy on loopback has, and keeps all that a client says outside the handshake.
"""

import select
import socket
import socketserver
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey as Key
from sqlalchemy import Engine, text

from cdk.local.instance import LOOPBACK
from dyno.database import autocommit, engine
from dyno.errors import DatabaseUnavailable
from dyno.settings import Settings

SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
ROLE = "dyno_allocations"
Tls = ssl.SSLContext | None
PATIENCE_S = 3
LIFETIME = timedelta(minutes=5)


class Proxy(socketserver.TCPServer):
    """Answers SSLRequest as PostgreSQL does, yes with a TLS context and no without, and passes on the rest."""

    def __init__(self, tls: Tls, server_port: int) -> None:
        super().__init__((LOOPBACK, 0), socketserver.BaseRequestHandler)
        self.tls = tls
        self.server = (LOOPBACK, server_port)
        self.told = b""

    def finish_request(self, request: Any, _address: Any) -> None:
        request.settimeout(PATIENCE_S)
        self.told += request.recv(len(SSL_REQUEST))
        request.sendall(b"S" if self.tls else b"N")
        with (
            suppress(OSError),  # a client hangs up on a certificate it does not believe
            self.tls.wrap_socket(request, server_side=True) if self.tls else request as client,
            socket.create_connection(self.server, PATIENCE_S) as server,
        ):
            while ready := select.select([client, server], [], [], PATIENCE_S)[0]:
                if not (said := ready[0].recv(65536)):
                    return
                self.told += said if ready[0] is client else b""
                (server if ready[0] is client else client).sendall(said)


class Authority:
    """Signs certificates; keeps them, with their keys, in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.key = generate_private_key(SECP256R1())
        may_sign = x509.KeyUsage(*(bit == 5 for bit in range(9)))  # RFC 5280: keyCertSign
        self.file = self._sign("ca", self.key, LIFETIME, x509.BasicConstraints(True, 0), may_sign)

    def vouch(self, host: str, lives_for: timedelta = LIFETIME) -> ssl.SSLContext:
        named = x509.SubjectAlternativeName([x509.DNSName(host)])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._sign(host, generate_private_key(SECP256R1()), lives_for, named))
        return context

    def _sign(self, name: str, key: Key, lives_for: timedelta, *critical: x509.ExtensionType) -> Path:
        ends_at = datetime.now(UTC) + lives_for
        issuer, subject = (x509.Name.from_rfc4514_string(f"CN={each}") for each in ("ca", name))
        builder = (
            x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(ends_at - 2 * LIFETIME)
            .not_valid_after(ends_at)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        for extension in critical:
            builder = builder.add_extension(extension, critical=True)
        pem = serialization.Encoding.PEM
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = self.folder / f"{name}.pem"
        path.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(pem) + secret)
        return path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture(params=["expired", "other host", "other authority", "no TLS"])
def false_server(request: pytest.FixtureRequest, authority: Authority, tmp_path: Path) -> Tls:
    return {
        "expired": authority.vouch("localhost", -LIFETIME / 5),
        "other host": authority.vouch("elsewhere.example"),
        "other authority": Authority(tmp_path / "theirs").vouch("localhost"),
    }.get(request.param)


@pytest.fixture
def careful(settings_as: Callable[[str], Settings], authority: Authority) -> Settings:
    return replace(settings_as(ROLE), database_host="localhost", database_ca_file=str(authority.file))


@contextmanager
def through(tls: Tls, settings: Settings) -> Iterator[tuple[Engine, Proxy]]:
    """The service's own engine on a proxy; once left, the proxy has heard all there was to hear."""
    with Proxy(tls, settings.database_port) as proxy, ThreadPoolExecutor() as threads, ExitStack() as ending:
        over = engine(replace(settings, database_port=proxy.server_address[1]))
        threads.submit(proxy.serve_forever, 0.02)
        ending.callback(proxy.shutdown)
        ending.callback(over.dispose)
        yield over, proxy


def test_a_server_our_certificates_vouch_for_is_used(careful: Settings, authority: Authority) -> None:
    with through(authority.vouch("localhost"), careful) as (over, proxy), autocommit(over) as connection:
        assert connection.scalar(text("select 1")) == 1

    assert ROLE.encode() in proxy.told


def test_a_false_server_is_unavailable_and_hears_nothing(careful: Settings, false_server: Tls) -> None:
    with through(false_server, careful) as (over, proxy), pytest.raises(DatabaseUnavailable), autocommit(over):
        pass

    assert proxy.told == SSL_REQUEST


def test_without_the_check_a_false_server_hears_who_we_are(careful: Settings, false_server: Tls) -> None:
    # With None pg8000 verifies nothing and goes on without TLS where there is none.
    unchecked = patch("dyno.database._tls", return_value=None)
    with unchecked, through(false_server, careful) as (over, proxy), suppress(DatabaseUnavailable), autocommit(over):
        pass

    assert ROLE.encode() in proxy.told
