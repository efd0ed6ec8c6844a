"""Who is enrolled: by whom, since when, and until when."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from dyno.auth import Role
from dyno.database import violated_constraint
from dyno.errors import IdempotencyKeyReused, InvalidRequest, Stale, UserAlreadyEnrolled, UserNotEnrolled, UserNotFound
from dyno.users import service
from dyno.users.model import Enrolled, Enrolment, EnrolmentRow, User, UserChange
from tests.conftest import EngineAs
from tests.integration.metrics.pipeline import line
from tests.lab import ADMIN, Lab

NOW = datetime.now(UTC).replace(microsecond=0)
YESTERDAY, LAST_WEEK = NOW - timedelta(days=1), NOW - timedelta(days=7)


def enrol(lab: Lab, sub: str = "ann", key: str | None = None, **fields: str) -> Enrolled:
    request = Enrolment.model_validate({"sub": sub} | fields)
    return service.enrol(lab.over, request, actor=ADMIN, key=key, now=NOW)


def change(lab: Lab, person: User, **fields: object) -> User:
    wanted = UserChange.model_validate(fields)
    return service.change_user(lab.over, person.user_id, wanted, version=person.version, actor=ADMIN, now=NOW)


def listed(lab: Lab, *, enrolled: bool | None = None) -> list[str]:
    return [user.sub for user in service.list_users(lab.over, None, 50, enrolled=enrolled).items]


def test_a_person_is_enrolled_from_now_on_unless_it_is_said_since_when(lab: Lab) -> None:
    ann = enrol(lab)
    bob = enrol(lab, "bob", role="power_user", enrolled_at=LAST_WEEK.isoformat())

    assert (ann.role, ann.enrolled_at, ann.left_at, ann.version) == ("user", NOW, None, 1)
    assert (bob.role, bob.enrolled_at) == ("power_user", LAST_WEEK)
    assert service.get_user(lab.over, bob.user_id) == User(**bob.model_dump())


@pytest.mark.parametrize("role", Role)
def test_a_role_may_be_whatever_the_user_pool_has_a_group_for(lab: Lab, role: Role) -> None:
    assert enrol(lab, role=role.value).role == role


def test_a_token_that_was_seen_enrols_nobody_but_an_admin_enrols_whose_it_was(lab: Lab, engine_as: EngineAs) -> None:
    with engine_as("dyno_ingest").connect() as connection:
        connection.exec_driver_sql(f"select ingest('[{line('e-1', sub='ann')}]', '[]')")
    [seen] = service.list_users(lab.over, None, 50, enrolled=None).items

    assert (seen.enrolled_at, seen.role, listed(lab, enrolled=True)) == (None, None, [])
    enrolled = enrol(lab)

    assert (enrolled.user_id, enrolled.enrolled_at, enrolled.version) == (seen.user_id, NOW, seen.version + 1)
    assert listed(lab, enrolled=True) == ["ann"]


def test_whoever_is_enrolled_is_not_enrolled_again(lab: Lab) -> None:
    ann = enrol(lab)

    with pytest.raises(UserAlreadyEnrolled, match=f"user {ann.user_id}") as refused:
        enrol(lab, role="admin")

    assert refused.value.details["user_id"] == ann.user_id
    assert service.get_user(lab.over, ann.user_id).role == "user"


def rows(*given: dict[str, object]) -> list[EnrolmentRow]:
    return [EnrolmentRow.model_validate(each) for each in given]


def test_a_sheet_of_people_is_enrolled_once_and_says_of_each_row_what_became_of_it(lab: Lab) -> None:
    enrol(lab, "cat", role="admin")
    lab.sql("insert into users (sub) values ('bob')")  # was seen
    sheet = rows(
        {"sub": "dan", "name": "Dan", "email": "dan@lab.example", "role": "power_user"},
        {"email": "eve@lab.example"},
        {"sub": "bob", "enrolled_at": LAST_WEEK.isoformat()},
        {"sub": "cat"},
        {"sub": "dan", "role": "admin"},
        {"sub": "fay", "enrolled_at": (NOW + timedelta(days=400)).isoformat()},
    )

    first = service.enrol_many(lab.over, sheet, actor=ADMIN, now=NOW)
    again = service.enrol_many(lab.over, sheet, actor=ADMIN, now=NOW)

    outcomes = ["enrolled", "no_sub", "enrolled", "already_enrolled", "twice", "in_the_future"]
    assert [each.outcome for each in first] == outcomes
    assert [each.outcome for each in again] == ["already_" * (each == "enrolled") + each for each in outcomes]
    assert [each.user_id for each in first] == [each.user_id for each in again]
    assert lab.rows("select sub, role, version from users order by sub") == [
        ("bob", "user", 2),
        ("cat", "admin", 1),
        ("dan", "power_user", 1),
    ]
    assert lab.sql("select count(*) from users where sub = 'bob' and enrolled_at = :at", at=LAST_WEEK) == 1


@pytest.mark.own_database
def test_nobody_of_a_sheet_is_enrolled_where_one_cannot_be_written(lab: Lab) -> None:
    lab.sql("alter table users add constraint planted check (sub <> 'zoe')")

    with pytest.raises(DBAPIError):
        service.enrol_many(lab.over, rows({"sub": "ann"}, {"sub": "zoe"}), actor=ADMIN, now=NOW)

    assert listed(lab) == []


def test_whoever_left_is_had_back_by_a_change(lab: Lab) -> None:
    left = change(lab, enrol(lab), left_at=NOW.isoformat())

    with pytest.raises(UserAlreadyEnrolled, match=f"PATCH /users/{left.user_id}"):
        enrol(lab)

    back = change(lab, left, left_at=None)
    assert (left.left_at, back.left_at, back.version) == (NOW, None, 3)


def test_an_enrolment_is_answered_again_under_its_key(lab: Lab) -> None:
    first = enrol(lab, key="k-1")
    change(lab, first, role="admin")

    again = enrol(lab, key="k-1")

    assert again == first.model_copy(update={"replayed": True})
    with pytest.raises(IdempotencyKeyReused):
        enrol(lab, "bob", key="k-1")
    assert listed(lab) == ["ann"]


def test_a_refusal_is_not_kept_under_its_key(lab: Lab) -> None:
    enrol(lab)

    with pytest.raises(UserAlreadyEnrolled):
        enrol(lab, key="k-1")

    assert enrol(lab, "bob", key="k-1").replayed is False


def test_a_key_is_forgotten_after_24_hours(lab: Lab) -> None:
    enrol(lab, key="k-1")
    lab.sql("update idempotency_keys set created_at = created_at - interval '24 hours'")

    assert enrol(lab, "bob", key="k-1").replayed is False
    assert enrol(lab, "bob", key="k-1").replayed is True


def test_a_key_of_another_route_or_person_is_another_key(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()

    booked = lab.auto_allocate(actor=ADMIN, key="k-1")

    assert (enrol(lab, key="k-1").replayed, booked.replayed) == (False, False)
    assert lab.auto_allocate(actor=ADMIN, key="k-1").replayed is True


def test_what_is_not_named_stays_as_it_is(lab: Lab) -> None:
    ann = enrol(lab, enrolled_at=LAST_WEEK.isoformat())

    left = change(lab, ann, left_at=YESTERDAY.isoformat())
    promoted = change(lab, left, role="admin")

    assert promoted == left.model_copy(update={"role": "admin", "version": 3})
    assert (left.enrolled_at, left.left_at, left.role) == (LAST_WEEK, YESTERDAY, "user")


@pytest.mark.parametrize("nothing", [{}, {"role": "user"}, {"enrolled_at": NOW.isoformat(), "left_at": None}])
def test_a_change_of_nothing_makes_no_version(lab: Lab, nothing: dict[str, object]) -> None:
    ann = enrol(lab)

    same = change(lab, ann, **nothing)

    assert same == User(**ann.model_dump())


def test_a_change_of_what_somebody_else_changed_is_refused(lab: Lab) -> None:
    ann = enrol(lab)
    changed = change(lab, ann, role="admin")

    with pytest.raises(Stale, match="version 2, not 1"):
        change(lab, ann, role="power_user")

    assert service.get_user(lab.over, ann.user_id) == changed


def test_nobody_leaves_before_their_enrolment(lab: Lab) -> None:
    ann = enrol(lab, enrolled_at=YESTERDAY.isoformat())

    with pytest.raises(InvalidRequest, match="before enrolled_at"):
        change(lab, ann, left_at=LAST_WEEK.isoformat())

    corrected = change(lab, ann, enrolled_at=LAST_WEEK.isoformat(), left_at=LAST_WEEK.isoformat())
    assert corrected.left_at == corrected.enrolled_at == LAST_WEEK
    with pytest.raises(InvalidRequest, match="before enrolled_at"):
        change(lab, corrected, enrolled_at=YESTERDAY.isoformat())


def test_the_future_is_not_known_yet(lab: Lab) -> None:
    tomorrow = (NOW + timedelta(days=1)).isoformat()

    with pytest.raises(InvalidRequest, match=r"body\.enrolled_at: lies in the future"):
        enrol(lab, enrolled_at=tomorrow)

    ann = enrol(lab)
    for field in ("enrolled_at", "left_at"):
        with pytest.raises(InvalidRequest, match=rf"body\.{field}: lies in the future"):
            change(lab, ann, **{field: tomorrow})


def test_who_was_only_seen_is_enrolled_before_anything_is_noted_of_them(lab: Lab) -> None:
    user_id = lab.sql("insert into users (sub) values ('ann') returning id")

    with pytest.raises(UserNotEnrolled):
        change(lab, service.get_user(lab.over, user_id), role="admin")


def test_nobody_is_changed_who_is_not_there(lab: Lab) -> None:
    with pytest.raises(UserNotFound, match="999"):
        change(lab, enrol(lab).model_copy(update={"user_id": 999}), role="admin")


def test_the_list_has_pages_and_tells_the_enrolled_from_the_others(lab: Lab) -> None:
    for sub in ("ann", "bob", "eve"):
        enrol(lab, sub)
    change(lab, service.get_user(lab.over, 2), left_at=NOW.isoformat())
    lab.sql("insert into users (sub) values ('seen')")

    first = service.list_users(lab.over, None, 3, enrolled=None)
    rest = service.list_users(lab.over, first.next_cursor, 3, enrolled=None)

    assert [user.sub for user in first.items + rest.items] == ["ann", "bob", "eve", "seen"]
    assert rest.next_cursor is None
    assert (listed(lab, enrolled=True), listed(lab, enrolled=False)) == (["ann", "eve"], ["bob", "seen"])


@pytest.mark.parametrize(
    ("role", "enrolled_at", "left_at", "constraint"),
    [
        (None, NOW, None, "the_enrolled_have_a_role"),
        (None, None, NOW, "only_the_enrolled_leave"),
        ("user", NOW, YESTERDAY, "nobody_leaves_before_enrolment"),
        ("root", NOW, None, "users_role_check"),
    ],
)
def test_the_database_refuses_who_cannot_be(
    lab: Lab, role: str | None, enrolled_at: datetime | None, left_at: datetime | None, constraint: str
) -> None:
    values = {"role": role, "enrolled_at": enrolled_at, "left_at": left_at}

    with pytest.raises(DBAPIError) as broken:
        lab.sql(
            "insert into users (sub, role, enrolled_at, left_at) values ('ann', :role, :enrolled_at, :left_at)",
            **values,
        )

    assert violated_constraint(broken.value) == constraint
