"""Alembic's entry: runs the revisions in the caller's transaction."""

from alembic import context

from dyno.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    # Two deployments at once take turns; the second finds nothing left to do.
    context.execute("select pg_advisory_xact_lock(hashtextextended('dyno migrations', 0))")
    context.run_migrations()
