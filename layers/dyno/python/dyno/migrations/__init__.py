"""The schema's history, by Alembic; `upgrade` brings a database to its head."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from dyno.database import transaction
from dyno.observability import logger

HERE = Path(__file__).parent


def head() -> str:
    """The newest revision of this release."""
    return ScriptDirectory(str(HERE)).get_heads()[0]


def upgrade(over: Engine, revision: str = "head") -> str:
    """
    Bring the schema up to a revision; all or nothing. A schema newer than this release is left as it is.

    Going back to an earlier release finds a schema that it does not know; migrations only add to what it needs.

    Returns:
        The revision the schema is at afterwards.
    """
    with transaction(over) as connection:
        if (found := _revision(connection)) and not _is_known(found):
            logger.warning("the schema is newer than this release", revision=found)
        else:
            command.upgrade(_config(connection), revision)
        return _revision(connection) or "base"


def downgrade(over: Engine, revision: str) -> None:
    """Take the schema down to a revision; "base" leaves nothing of ours. All or nothing."""
    with transaction(over) as connection:
        command.downgrade(_config(connection), revision)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_known(revision: str) -> bool:
    return any(script.revision == revision for script in ScriptDirectory(str(HERE)).walk_revisions())


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    return config
