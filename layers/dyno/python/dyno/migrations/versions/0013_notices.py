"""What befell a booking waits to be told to whoever asked for it; and somebody can be disabled."""

from pathlib import Path

from alembic import op

from dyno.migrations.rewording import reword

revision = "0013"
down_revision = "0012"

REWORDED = (
    (
        "change_user",
        "  if person.enrolled_at is null then",
        """  if p_changes ? 'disabled' and person.sub = p_changes ->> 'by' then
    return jsonb_build_object('outcome', 'own_account');
  end if;
  if person.enrolled_at is null and not p_changes ? 'disabled' then""",
    ),
    (
        "change_user",
        "  wanted := jsonb_populate_record(person, p_changes);\n",
        """  wanted := jsonb_populate_record(person, p_changes);
  if p_changes ? 'disabled' then
    wanted.disabled_at := case when (p_changes ->> 'disabled')::boolean
                               then coalesce(person.disabled_at, clock_timestamp()) end;
  end if;
""",
    ),
    (
        "change_user",
        "  if (wanted.role, wanted.enrolled_at, wanted.left_at) is not distinct from",
        """  if wanted.disabled_at is not distinct from person.disabled_at
     and (wanted.role, wanted.enrolled_at, wanted.left_at) is not distinct from""",
    ),
    (
        "change_user",
        "left_at = wanted.left_at, version",
        "left_at = wanted.left_at, disabled_at = wanted.disabled_at, version",
    ),
)
"""Functions, with the words they had and those they have instead."""


USER_JSON = """
create or replace function user_json(u users) returns jsonb language sql stable
  return jsonb_build_object('user_id', u.id, 'sub', u.sub, 'role', u.role, 'enrolled_at', u.enrolled_at,
                            'left_at', u.left_at, 'version', u.version)
"""
"""As 0004 had it."""


def upgrade() -> None:
    """Have notices written, and people disabled."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
    for function, was, becomes in REWORDED:
        reword(function, was, becomes)


def downgrade() -> None:
    """Back to nobody being told, and everybody being admitted."""
    for function, was, becomes in reversed(REWORDED):
        reword(function, becomes, was)
    op.get_bind().exec_driver_sql(USER_JSON)
    op.execute("drop function admit")
    op.execute("alter table users drop column disabled_at")
    op.execute("drop trigger noticed on history")
    op.execute("drop function hand_out_notices, place_json, note_change")
    op.execute("drop table notices")
