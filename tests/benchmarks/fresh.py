"""Fresh interpreters that see what a Lambda sees: the standard library, what the runtime brings, the layers, a door."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Mapping
from dataclasses import fields
from importlib.metadata import distribution
from pathlib import Path

from cdk.layers import LOCK
from cdk.local.instance import ROOT
from tests.settings import SETTINGS

OF_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "urllib3")
"""What Lambda's own Python brings along and the layer does not."""

PROGRAM = """
import sys, time
sys.path[:0] = {paths!r}
{work}
print(time.perf_counter())
"""


FOUND_THERE = """
import json
print(json.dumps([
    name for name, module in list(sys.modules.items())
    if (getattr(module, "__spec__", None) and module.__spec__.origin or "").startswith({folders!r})
]))
"""


class Fresh:
    """
    A machine with everything at hand that a door may import, and with two states of what is compiled.

    Args:
        folder: Empty; everything is kept in it.
        database: What a door needs to know in its environment to find its database.
    """

    def __init__(self, folder: Path, database: Mapping[str, str] | None = None) -> None:
        self._environment = {**_environment(), **(database or {})}
        self._libraries = (str(folder / "layer"), str(folder / "runtime"))
        self._runtime = _linked(folder / "runtime", OF_THE_RUNTIME)
        layer = re.findall(r"^([a-z0-9-]+)==", LOCK.read_text(), re.MULTILINE)
        self._paths = [ROOT, ROOT / "layers" / "dyno" / "python", _linked(folder / "layer", layer), self._runtime]
        self._compiled, self._as_uploaded = folder / "compiled", folder / "as_uploaded"

    def compile(self, programs: Iterable[str]) -> None:
        """Compile what the programs import; without a layer's compiled modules, only what is there before any layer."""
        for work in programs:
            self._run(work, ["-X", f"pycache_prefix={self._compiled}"])
        for there in (Path(sysconfig.get_path("stdlib")), self._runtime):
            within = there.relative_to(there.anchor)
            shutil.copytree(self._compiled / within, self._as_uploaded / within)

    def libraries(self, work: str) -> list[str]:
        """What some work has imported, when it is done, of the layer's and the runtime's packages, in that order."""
        found: list[str] = json.loads(
            self.said(work + FOUND_THERE.format(folders=self._libraries), {}).splitlines()[-2]
        )
        return found

    def start_ms(self, work: str, *, starts: int, compiled: bool = True) -> float:
        """From the start of an interpreter until it has done its work, at the fastest; what it compiles is not kept."""
        options = ["-B", "-X", f"pycache_prefix={self._compiled if compiled else self._as_uploaded}"]
        return min(self._start_s(work, options) for _ in range(starts)) * 1000

    def said(self, work: str, settings: Mapping[str, str]) -> str:
        """What a program prints, told of `settings` beside what every program here is."""
        return self._done(work, ["-B"], {**self._environment, **settings}).stdout

    def _start_s(self, work: str, options: Iterable[str]) -> float:
        # The clock counts from the machine's start, so both processes read the same.
        began_s = time.perf_counter()
        return self._run(work, options) - began_s

    def _run(self, work: str, options: Iterable[str]) -> float:
        return float(self._done(work, options, self._environment).stdout.split()[-1])

    def _done(
        self, work: str, options: Iterable[str], environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        program = PROGRAM.format(paths=[str(path) for path in self._paths], work=work)
        command = [sys.executable, "-I", "-S", *options, "-c", program]
        done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{work}\nfailed:\n{done.stderr}")
        return done


def _linked(folder: Path, names: Iterable[str]) -> Path:
    folder.mkdir()
    for name in names:
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
            (folder / top).symlink_to(Path(str(installed.locate_file(top))))
    return folder


def _environment() -> dict[str, str]:
    """A deployed function's, in an invocation that is traced."""
    settings = {field.name.upper(): getattr(SETTINGS, field.name) for field in fields(SETTINGS)}
    return {name: getattr(value, "key", str(value)) for name, value in settings.items()} | {
        "PATH": os.defpath,
        "AWS_DEFAULT_REGION": SETTINGS.aws_region,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_LAMBDA_FUNCTION_NAME": "door",
        "LAMBDA_TASK_ROOT": "/var/task",
        "POWERTOOLS_SERVICE_NAME": "dyno",
        "TRACING": "xray",
        "_X_AMZN_TRACE_ID": "Root=1-6922fa11-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1",
    }
