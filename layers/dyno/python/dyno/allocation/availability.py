"""Looking at what is free, by the rule that books."""

from datetime import date, timedelta

from sqlalchemy import Engine

from dyno.allocation import availability_store as store
from dyno.allocation.answers import MAX_INTEGER, bad_window, no_such_dyno, no_such_vehicle, retired, too_long
from dyno.allocation.availability_model import (
    DEFAULT_SCHEDULE_DAYS,
    MAX_SCHEDULE_DAYS,
    Availability,
    Looked,
    Schedule,
    Wanted,
)
from dyno.allocation.model import Terms
from dyno.database import autocommit
from dyno.errors import DynoError, InvalidRequest
from dyno.metrics import track_performance

SERVICE = "AllocationService"
ONE_DAY = timedelta(days=1)


@track_performance(SERVICE)
def list_available(over: Engine, wanted: Wanted, *, terms: Terms) -> Availability:
    """
    Which dynos could take a test, which could not and why, and the next windows that would do.

    Raises:
        InvalidRequest: Days in the past, beyond the horizon, too many; or no vehicle, or more than one.
        VehicleNotFound: No vehicle has that vin or id.
        VehicleRetired: It is not to be booked any more.
    """
    _refuse_no_one_vehicle(wanted)
    if wanted.days_to_complete > terms.max_days:
        raise too_long(wanted.days_to_complete, terms)
    if wanted.vehicle_id is not None and wanted.vehicle_id > MAX_INTEGER:
        raise no_such_vehicle(None, wanted.vehicle_id)
    with autocommit(over) as connection:
        answer = store.availability(connection, wanted, terms)
    said = Looked.model_validate(answer)
    if said.outcome != "looked":
        raise _not_said(said, wanted, terms)
    return Availability.model_validate(answer)


@track_performance(SERVICE)
def get_schedule(over: Engine, dyno_id: int, from_date: date | None, to_date: date | None, *, today: date) -> Schedule:
    """
    A dyno's calendar between two days, both in; a month of it from today on unless said otherwise.

    Raises:
        InvalidRequest: They are not in order, or too far apart.
        DynoNotFound: No dyno has that id.
    """
    from_date = from_date or min(today, to_date or today)
    to_date = to_date or from_date + min(DEFAULT_SCHEDULE_DAYS - ONE_DAY, date.max - from_date)
    if to_date < from_date:
        raise InvalidRequest.of("query.to", f"{to_date} is before {from_date}")
    if to_date - from_date >= MAX_SCHEDULE_DAYS:
        raise InvalidRequest.of(
            "query.to", f"{to_date} is too far from {from_date}; at most {MAX_SCHEDULE_DAYS.days} days are shown"
        )
    with autocommit(over) as connection:
        found = store.schedule(connection, dyno_id, from_date, to_date)
    if found is None:
        raise no_such_dyno(dyno_id)
    return Schedule.model_validate(found)


def _refuse_no_one_vehicle(wanted: Wanted) -> None:
    kind = wanted.drive_type is not None or wanted.weight_lbs is not None
    named = [wanted.vin is not None, wanted.vehicle_id is not None, kind].count(True)
    if named != 1 or (kind and None in {wanted.drive_type, wanted.weight_lbs}):
        raise InvalidRequest("give either vin, or vehicle_id, or drive_type and weight_lbs")


def _not_said(said: Looked, wanted: Wanted, terms: Terms) -> DynoError:
    match said:
        case Looked(outcome="vehicle_not_found"):
            return no_such_vehicle(wanted.vin, wanted.vehicle_id)
        case Looked(outcome="vehicle_retired"):
            return retired(said.vin)
        case Looked(outcome="bad_window", today=date() as today):
            return bad_window(today, wanted.start_date, terms)
    return DynoError(f"the database said {said.outcome}")
