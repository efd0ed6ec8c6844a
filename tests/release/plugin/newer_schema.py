"""
For the tests of the release before this one: whenever they migrate a database, it gets this release's schema.

A plugin of theirs, `pytest -p newer_schema`: the code that runs here is the older release's, so this release's
migrations run in a process of their own.
"""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine

import dyno
from dyno import migrations

OLDER, NEWER, PLANTED = (os.environ[name] for name in ("OLDER_RELEASE", "NEWER_RELEASE", "PLANTED"))

MIGRATE = """
import sys
from sqlalchemy import create_engine
from dyno import migrations
from dyno.bootstrap import OWNER, by_connection

host, port, database, planted = sys.argv[1:]
by_connection({"DATABASE_HOST": host, "DATABASE_PORT": port, "DATABASE_NAME": database})
owner = create_engine(f"postgresql+pg8000://{OWNER.name}@{host}:{port}/{database}")
migrations.upgrade(owner)
if planted:
    with owner.begin() as connection:
        connection.exec_driver_sql(planted)
owner.dispose()
"""


def upgrade(over: Engine, revision: str = "head") -> str:
    """Bring a database to this release's schema, or to what is planted behind it."""
    host, port, database = over.url.host, over.url.port, over.url.database
    command = [sys.executable, "-c", MIGRATE, str(host), str(port), str(database), PLANTED]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": NEWER}, check=True)
    return "this release's"


if not Path(dyno.__file__).is_relative_to(OLDER):
    raise ImportError(f"{dyno.__file__} is not the older release's")
migrations.upgrade = upgrade
