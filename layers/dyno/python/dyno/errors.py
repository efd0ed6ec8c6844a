"""Every error raised on purpose, as one tree; `code` is stable, the text is for people."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self


class DynoError(Exception):
    """
    Something the service says on purpose.

    Attributes:
        status: HTTP status of the answer.
        code: Stable name of the problem, in snake_case.
        title: One line that is the same for every occurrence.
        outcome: How `track_performance` counts it: "rejected" when we said no, "error" when we broke.
        details: Further members of the problem document.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something broke on our side"
    outcome: ClassVar[str] = "error"

    def __init__(self, message: str, **details: Any) -> None:  # noqa: ANN401  # JSON of any shape
        super().__init__(message)
        self.details: Mapping[str, Any] = details


class InvalidSettings(DynoError):
    """The environment variables do not make a service."""

    code = "invalid_settings"


class InvalidRequest(DynoError):
    """The request can never succeed as written."""

    status = 422
    code = "invalid_request"
    title = "The request can never succeed as written"
    outcome = "rejected"

    def __init__(self, message: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message, errors=list(errors))

    @classmethod
    def of(cls, field: str, message: str) -> Self:
        """Of one fault, at a field as `query.from` or `body.left_at`."""
        return cls(f"{field}: {message}", [{"field": field, "message": message}])


class UnreadableFile(InvalidRequest):
    """A file is no sheet that can be read, or more of one than is read."""

    code = "unreadable_file"
    title = "The file cannot be read"


class RequestTooLarge(DynoError):
    """The body is larger than any request needs."""

    status = 413
    code = "request_too_large"
    title = "Request too large"
    outcome = "rejected"


class IdempotencyKeyReused(InvalidRequest):
    """The Idempotency-Key was used before with another body."""

    code = "idempotency_key_reused"
    title = "The Idempotency-Key belongs to another request"


class ImportInvalid(InvalidRequest):
    """Rows of a file can never be taken as they are written."""

    code = "import_invalid"
    title = "Rows of the file can never be taken as they are written"

    def __init__(self, message: str, report: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.details = {**self.details, "report": report}


class UnsupportedMediaType(DynoError):
    """The body is of no kind that the route takes."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"
    outcome = "rejected"


class ExportTooLarge(InvalidRequest):
    """What would be exported is more than one answer holds."""

    code = "export_too_large"
    title = "The export is larger than one answer"


class NotFound(DynoError):
    """Nothing is there under that name."""

    status = 404
    code = "not_found"
    title = "There is no such thing"
    outcome = "rejected"


class RouteNotFound(NotFound):
    """No route has that method and path."""

    code = "route_not_found"
    title = "There is no such route"


class VehicleNotFound(NotFound):
    """No vehicle has that id or vin."""

    code = "vehicle_not_found"
    title = "There is no such vehicle"


class DynoNotFound(NotFound):
    """No dyno has that id."""

    code = "dyno_not_found"
    title = "There is no such dyno"


class WindowNotFound(NotFound):
    """The dyno has no maintenance window of that id."""

    code = "window_not_found"
    title = "There is no such maintenance window"


class AllocationNotFound(NotFound):
    """No allocation has that id."""

    code = "allocation_not_found"
    title = "There is no such allocation"


class ReportNotFound(NotFound):
    """No report is stored under that revision."""

    code = "report_not_found"
    title = "There is no such report"


class UserNotFound(NotFound):
    """No user has that id."""

    code = "user_not_found"
    title = "There is no such user"


class ImportNotFound(NotFound):
    """No import has that id."""

    code = "import_not_found"
    title = "There is no such import"


class CalendarNotFound(NotFound):
    """No calendar has that id, or that token."""

    code = "calendar_not_found"
    title = "There is no such calendar"


class Unauthorized(DynoError):
    """The token is not one this service accepts."""

    status = 401
    code = "unauthorized"
    title = "The token is not one this service accepts"
    outcome = "rejected"


class Forbidden(DynoError):
    """Known, but may not."""

    status = 403
    code = "forbidden"
    title = "Your role does not permit this"
    outcome = "rejected"


class AccountDisabled(Forbidden):
    """An admin has disabled the caller; their token is genuine, and of no use."""

    code = "account_disabled"
    title = "Your account is disabled"


class Conflict(DynoError):
    """A fine request that the lab cannot serve now."""

    status = 409
    code = "conflict"
    title = "The lab cannot do this now"
    outcome = "rejected"


class NoDynoAvailable(Conflict):
    """No capable dyno is free on any of the days tried."""

    code = "no_dyno_available"
    title = "No dyno is available"


class VehicleAlreadyAllocated(Conflict):
    """The vehicle is booked on every day tried."""

    code = "vehicle_already_allocated"
    title = "The vehicle is already allocated"


class AllocationClosed(Conflict):
    """The allocation is over or cancelled, so it can no longer be changed."""

    code = "allocation_closed"
    title = "The allocation can no longer be changed"


class StepNotAllowed(Conflict):
    """The allocation's status does not lead to that one, or not yet."""

    code = "step_not_allowed"
    title = "The status cannot become that"


class AllocationUnderWay(Conflict):
    """The test has begun, so only its end can be changed."""

    code = "allocation_under_way"
    title = "The test is under way"


class MaintenanceOverlap(Conflict):
    """Something takes the dyno on days on which it was to be closed."""

    code = "maintenance_overlap"
    title = "Something is in the way of the maintenance"


class VehicleExists(Conflict):
    """A vehicle has that vin."""

    code = "vehicle_exists"
    title = "There is such a vehicle already"


class VehicleRetired(Conflict):
    """The vehicle takes no bookings any more."""

    code = "vehicle_retired"
    title = "The vehicle is retired"


class DynoExists(Conflict):
    """A dyno has that name."""

    code = "dyno_exists"
    title = "There is a dyno of that name already"


class DynoRetired(Conflict):
    """The dyno is retired, so it cannot be enabled."""

    code = "dyno_retired"
    title = "The dyno is retired"


class BookingsStranded(Conflict):
    """Bookings that have yet to end could not be kept."""

    code = "bookings_stranded"
    title = "The change would strand bookings"


class UserAlreadyEnrolled(Conflict):
    """The person is enrolled, or was and left."""

    code = "user_already_enrolled"
    title = "The person is enrolled already"


class UserNotEnrolled(Conflict):
    """The person was seen, but nobody has enrolled them."""

    code = "user_not_enrolled"
    title = "The person is not enrolled"


class UserErased(Conflict):
    """The person was erased, so nothing of them can be changed."""

    code = "user_erased"
    title = "The person was erased"


class OwnAccount(Conflict):
    """Nobody erases themselves."""

    code = "own_account"
    title = "The person is yourself"


class ImportRefused(Conflict):
    """The lab cannot do some of what a file says, so nothing of it was done."""

    code = "import_refused"
    title = "The lab cannot do all of the import now"


class TooManyCalendars(Conflict):
    """The person subscribes to as many calendars as one may."""

    code = "too_many_calendars"
    title = "There are too many calendars"


class Stale(DynoError):
    """Somebody changed it first."""

    status = 412
    code = "stale"
    title = "It is not as you have seen it"
    outcome = "rejected"


class PreconditionRequired(DynoError):
    """A change that does not say which version it is of."""

    status = 428
    code = "precondition_required"
    title = "The change must say which version it is of"
    outcome = "rejected"


class Unavailable(DynoError):
    """Try again after `retry_after_s` seconds."""

    status = 503
    code = "unavailable"
    title = "The service cannot answer right now"
    retry_after_s: ClassVar[int] = 5


class DatabaseUnavailable(Unavailable):
    """The database did not answer, or the connection broke."""

    code = "database_unavailable"
    title = "The database cannot be reached"


class DatabaseResuming(Unavailable):
    """The cluster was paused and is waking up."""

    code = "database_resuming"
    title = "The database is waking up"
    retry_after_s = 15
