"""How alembic runs here: always on the connection that `app.runtime.schema.migrate` has opened and locked."""

from alembic import context

from app.runtime.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,  # for its naming convention
    render_as_batch=True,  # SQLite cannot alter a table, so alembic copies it
)
with context.begin_transaction():
    context.run_migrations()
