"""The schema's history, by Alembic; `upgrade` brings a database to its head."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from dyno.database import transaction

HERE = Path(__file__).parent


def head() -> str:
    """The newest revision of this release."""
    return ScriptDirectory(str(HERE)).get_heads()[0]


def upgrade(over: Engine, revision: str = "head") -> str:
    """
    Bring the schema up to a revision; all or nothing.

    Returns:
        The newest revision of this release.
    """
    with transaction(over) as connection:
        command.upgrade(_config(connection), revision)
    return head()


def downgrade(over: Engine, revision: str) -> None:
    """Take the schema down to a revision; "base" leaves nothing of ours. All or nothing."""
    with transaction(over) as connection:
        command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    return config
