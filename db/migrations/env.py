"""Alembic runs this. The connection, with its open transaction, comes from db.schema."""

from alembic import context

from db.models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by writing it anew
)
context.run_migrations()
