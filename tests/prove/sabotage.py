"""The smallest ways to break a lab's database, each of which the checker must find."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from tests.prove.regimes import REGIMES, Regime

CROWD, WIDE, ONE_VEHICLE, DISPLACED, HOLDS, _LAPSES = REGIMES
LATE = replace(HOLDS, dawdles=True, weights={"hold": 60, "confirm": 60, "sweep": 0})
"""Many are held, and who holds comes late."""


@dataclass(frozen=True)
class Sabotage:
    """
    A way to break a lab.

    Attributes:
        rule: By which it is found.
        regime: In which it shows soonest.
        breaks: Breaks it.
        crashes: Whether it takes a crash of the server to show.
    """

    name: str
    rule: str
    regime: Regime
    breaks: Callable[[Connection], None]
    operations: int = 400
    crashes: bool = False


def rewritten(name: str, was: str, becomes: str) -> Callable[[Connection], None]:
    """A function of the database, with other words in the place of some."""

    def breaks(connection: Connection) -> None:
        definition = connection.execute(
            text(
                "select pg_get_functiondef(oid) from pg_proc where proname = :name"
                " and pronamespace = 'public'::regnamespace and pg_get_functiondef(oid) like '%' || :was || '%'"
            ),
            {"name": name, "was": was.replace("_", "\\_")},
        ).scalar_one_or_none()
        if definition is None:
            raise ValueError(f"{name} does not say {was!r}; say what is to be broken as it is written now")
        connection.exec_driver_sql(definition.replace(was, becomes))

    return breaks


def in_haste(name: str, was: str, becomes: str) -> Callable[[Connection], None]:
    """The same, where holds run out sooner than anybody can confirm them."""

    def breaks(connection: Connection) -> None:
        rewritten(name, was, becomes)(connection)
        rewritten("make_interval", "00:00:00.1", "00:00:00.001")(connection)

    return breaks


def run(*statements: str) -> Callable[[Connection], None]:
    """Statements of the superuser's."""

    def breaks(connection: Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    return breaks


def undone(connection: Connection) -> None:
    """Some bookings are answered and then undone."""
    connection.exec_driver_sql("alter function book rename to book_kept")
    arguments = connection.execute(
        text("select pg_get_function_arguments(oid) from pg_proc where proname = 'book_kept'")
    ).scalar_one()
    names = ", ".join(argument.split()[0] for argument in arguments.split(", "))
    connection.exec_driver_sql(f"""
        create function book({arguments}) returns jsonb
        language plpgsql security definer set search_path = public, pg_temp as $$
        declare answer jsonb;
        begin
          answer := book_kept({names});
          if random() < 0.1 then raise exception using errcode = 'DY003'; end if;
          return answer;
        exception when sqlstate 'DY003' then
          return answer;
        end $$""")


def forgetful(connection: Connection) -> None:
    """What is acknowledged is written a little later."""
    database = connection.execute(text("select current_database()")).scalar_one()
    connection.exec_driver_sql(f"alter database {database} set synchronous_commit = off")
    connection.exec_driver_sql("alter system set wal_writer_delay = '10s'")
    connection.exec_driver_sql("select pg_reload_conf()")


def keyless(connection: Connection) -> None:
    """Nobody remembers a key, and no constraint holds it."""
    connection.exec_driver_sql("alter table idempotency_keys drop constraint idempotency_keys_pkey")
    rewritten("remembered_answer", "if not found then", "if true then")(connection)


def blind(connection: Connection) -> None:
    """Nobody sees who has a dyno, and no constraint holds it."""
    connection.exec_driver_sql("alter table occupancies drop constraint dyno_once")
    connection.exec_driver_sql(
        "create or replace function in_the_way(p_dyno integer, p_start date, p_end date, p_turnaround smallint,"
        " p_at timestamptz, p_except bigint) returns table (id bigint, kind text, status text, start_date date,"
        " end_date date, free_from date) language sql stable begin atomic"
        " select id, kind, status, start_date, end_date, free_from from occupancies where false; end"
    )


SABOTAGES = (
    Sabotage("a dyno's constraint is dropped, and nobody looks", "overlap", CROWD, blind, 200),
    Sabotage(
        "a vehicle's constraint is dropped",
        "overlap",
        replace(ONE_VEHICLE, dawdles=True),
        run("alter table occupancies drop constraint vehicle_once"),
    ),
    Sabotage("a commit is undone", "lost", WIDE, undone, 200),
    Sabotage(
        "a crash forgets commits",
        "lost",
        WIDE,
        forgetful,
        3_000,
        crashes=True,
    ),
    Sabotage("a key is ignored", "keys", WIDE, keyless),
    Sabotage(
        "a booking is lost as it makes way",
        "final",
        DISPLACED,
        rewritten("close_dyno", "in array coalesce(ways, '{}')", "in array coalesce(ways[2:], '{}')"),
    ),
    Sabotage(
        "a row of the history is missing",
        "final",
        WIDE,
        run(
            "create function forget() returns trigger language plpgsql as"
            " $$ begin if new.id % 19 = 0 then return null; end if; return new; end $$",
            "create trigger forgetting before insert on history for each row execute function forget()",
        ),
        200,
    ),
    Sabotage(
        "a hold is confirmed too late",
        "holds",
        LATE,
        in_haste("change_allocation", "was.expires_at <=", "false and was.expires_at <="),
        3_000,
    ),
    Sabotage(
        "a hold that ran out keeps its days",
        "holds",
        LATE,
        in_haste("is_live", "(p_expires_at > p_at)", "true"),
        2_000,
    ),
    # Those that are chosen are chosen among the others: only whoever asks for this one gets it.
    Sabotage("a disabled dyno is booked", "rule", WIDE, rewritten("unfit", "(NOT (d).enabled)", "false"), 3_000),
    Sabotage(
        "a dry run books",
        "unasked",
        WIDE,
        rewritten("book", "if p_dry then\n      o :=", "if false then\n      o :="),
    ),
    Sabotage(
        "a deadlock reaches a client",
        "errors",
        WIDE,
        rewritten(
            "cancel",
            "return jsonb_build_object('outcome', 'cancelled'",
            "raise exception using errcode = '40P01'; return jsonb_build_object('outcome', 'cancelled'",
        ),
        200,
    ),
)
