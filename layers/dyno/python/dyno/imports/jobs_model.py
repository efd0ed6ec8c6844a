"""What is asked and said of large files: uploaded first, imported when they are there."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from dyno.errors import InvalidRequest
from dyno.imports.limits import MAX_UNPACKED_BYTES
from dyno.imports.model import DateOrder, Kind
from dyno.imports.report import Counts, ImportReport, Planning, SheetRead, Wanted

MAX_UPLOAD_BYTES = MAX_UNPACKED_BYTES
"""More is not read of a CSV file; a workbook is a fraction of what is in it."""
MAX_SHEETS_MAPPED, MAX_NAME = 50, 255
UPLOADS, REPORTS = "uploads", "reports"
"""Folders of the bucket."""

ContentType = Literal["text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]
Name = Annotated[str, Field(max_length=MAX_NAME)]
Status = Literal["awaiting_upload", "expired", "running", "interrupted", "succeeded", "failed"]


class NewUpload(BaseModel):
    """
    A file that is to be uploaded, and how it is to be imported.

    Attributes:
        size_bytes: Just as many must be sent.
        filename: Names the sheet of a CSV file.
        charset: Of a CSV file; None: as its byte order mark says, else UTF-8.
        kind: What the rows of a file of one sheet are; None: what its headers say.
        date_order: How dates that are text are written.
        columns: Which field a column is, by sheet or "*" and then by header.
        dry_run: Say what would come of it, and change nothing.
        partial: Whether what can be done is done though something else cannot; else all or nothing.
        keep_placements: Whether a test goes where the sheet had it, if it can.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    content_type: ContentType
    size_bytes: int = Field(ge=1)
    filename: Name | None = None
    charset: Literal["utf-8", "utf-16", "windows-1252"] | None = None
    kind: Annotated[Kind, Field(strict=False)] | None = None
    date_order: Annotated[DateOrder, Field(strict=False)] = DateOrder.NONE
    columns: dict[Name, dict[Name, Name]] = Field(default={}, max_length=MAX_SHEETS_MAPPED)
    dry_run: bool = False
    partial: bool = False
    keep_placements: bool = False

    @property
    def wanted(self) -> Wanted:
        """How it is to be imported."""
        return Wanted(
            filename=self.filename,
            columns=self.columns,
            date_order=self.date_order,
            kind=self.kind,
            partial=self.partial,
            dry_run=self.dry_run,
            keep_placements=self.keep_placements,
        )


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class Upload(_Shown):
    """
    Where a file is sent to, by whoever has the address, once and with no token.

    Attributes:
        headers: To be sent as they are: the address is signed for them.
        expires_at: When sending must have begun.
    """

    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    expires_at: datetime


class Link(_Shown):
    """An address that is fetched with no token."""

    url: str
    expires_at: datetime


class ImportJob(_Shown):
    """
    An import of an uploaded file, and how far it has come.

    Attributes:
        status: expired if no file came in time; interrupted if whoever imported it died, of which nothing is kept.
        rows_done: Of which it is known what becomes of them; they are kept when all is over.
        rows_total: None until the file is read.
        counts: None until it is over, as counts_by_kind, planning and sheets.
        problem: Why nothing was done, as the answer to POST /imports would have said it.
        report: All of it, with a row for each of the file's, as POST /imports answers; None where there is none.
    """

    import_id: int
    status: Status
    filename: str | None
    size_bytes: int
    dry_run: bool
    partial: bool
    created_at: datetime
    begun_at: datetime | None
    finished_at: datetime | None
    rows_done: int
    rows_total: int | None
    counts: Counts | None = None
    counts_by_kind: dict[str, Counts] | None = None
    planning: Planning | None = None
    sheets: list[SheetRead] | None = None
    problem: dict[str, Any] | None = None
    report: Link | None = None


class MadeUpload(ImportJob):
    """An import that waits for its file."""

    upload: Upload


class Result(_Shown):
    """
    What is kept of an import that is over.

    Attributes:
        report_key: Where in the bucket a report of every row is; None where there is none.
    """

    counts: Counts | None = None
    counts_by_kind: dict[str, Counts] | None = None
    planning: Planning | None = None
    sheets: list[SheetRead] | None = None
    problem: dict[str, Any] | None = None
    report_key: str | None = None

    @classmethod
    def of(cls, report: ImportReport, key: str) -> Self:
        """Of one that was done, or tried for show."""
        return cls(
            counts=report.counts,
            counts_by_kind=report.counts_by_kind,
            planning=report.planning,
            sheets=report.sheets,
            report_key=key,
        )


class Job(_Shown):
    """
    An import as the database has it.

    Attributes:
        owner: The user pool's id of who asked; role is what they were then.
        runs: How often it was begun.
        result: None until it is over.
    """

    import_id: int
    owner: str
    role: str
    wanted: NewUpload
    correlation_id: str | None
    created_at: datetime
    begun_at: datetime | None
    finished_at: datetime | None
    runs: int
    rows_done: int
    rows_total: int | None
    result: Result | None
    status: Status

    def shown(self, report: Link | None) -> ImportJob:
        """As it is answered."""
        found = self.result or Result()
        return ImportJob(
            filename=self.wanted.filename,
            size_bytes=self.wanted.size_bytes,
            dry_run=self.wanted.dry_run,
            partial=self.wanted.partial,
            report=report,
            **found.model_dump(exclude={"report_key"}),
            **self.model_dump(include=_AS_IT_IS),
        )


_AS_IT_IS = {"import_id", "status", "created_at", "begun_at", "finished_at", "rows_done", "rows_total"}


class Begun(_Shown):
    """What a function of the database said of a run that wants to begin."""

    outcome: Literal["begun", "not_found", "running", "over"]
    job: Job | None = Field(default=None, alias="import")


class _Object(BaseModel):
    key: str
    size: int


class _Detail(BaseModel):
    object: _Object


class Arrived(BaseModel):
    """
    The event of a file that is there.

    Source:
        Amazon S3 user guide, "EventBridge event message structure".
    """

    detail: _Detail

    @property
    def size_bytes(self) -> int:
        """How large it is."""
        return self.detail.object.size

    @property
    def import_id(self) -> int:
        """
        Whose file it is.

        Raises:
            InvalidRequest: It is in another place than uploads are.
        """
        folder, _, name = self.detail.object.key.rpartition("/")
        if folder != UPLOADS or not name.isdecimal():
            raise InvalidRequest(f"{self.detail.object.key!r} is no upload")
        return int(name)
