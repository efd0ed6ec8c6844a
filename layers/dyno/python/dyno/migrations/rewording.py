"""A function of the database with some words in place of others, for migrations that change a line of a long one."""

from alembic import op


def reword(function: str, was: str, becomes: str) -> None:
    """
    Have a function say something else.

    Raises:
        ValueError: It does not say what it is thought to, or more than once.
    """
    definition = op.get_bind().exec_driver_sql(f"select pg_get_functiondef('{function}'::regproc)").scalar_one()
    if definition.count(was) != 1:
        raise ValueError(f"{function} does not say {was!r}, or more than once")
    op.get_bind().exec_driver_sql(definition.replace(was, becomes))
