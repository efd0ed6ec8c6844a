"""Imports of files that are too large for a request: announced, uploaded, and imported when they are there."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine

from dyno.auth import Actor, Role
from dyno.database import autocommit
from dyno.errors import DynoError, ImportNotFound, InvalidRequest, RequestTooLarge, Unavailable
from dyno.http import problem_document
from dyno.imports import jobs_store, service
from dyno.imports.jobs_model import MAX_UPLOAD_BYTES, Arrived, ImportJob, Job, MadeUpload, NewUpload, Result
from dyno.imports.limits import MAX_ROWS
from dyno.imports.report import ImportReport, Terms
from dyno.imports.service import Course
from dyno.imports.storage import UPLOAD_FOR, Uploads
from dyno.metrics import track_performance
from dyno.observability import Request, current_request, logger, serving

SERVICE = "ImportService"
TIMEOUT_S = 600
"""How long all of it may take in the database, waiting for other imports included; planners wait for it, too."""
RESERVE_S = 15
"""Of the function's own time, for telling what came of it."""
MOST_RUNS = 3
"""Source: Lambda runs an asynchronous event that failed twice more."""
TELL_EVERY_S = 1


@track_performance(SERVICE)
def announce_import(over: Engine, wanted: NewUpload, *, actor: Actor, uploads: Uploads, now: datetime) -> MadeUpload:
    """
    An import that waits for its file, and where that is sent to.

    Raises:
        RequestTooLarge: The file has more bytes than are read of any.
    """
    if wanted.size_bytes > MAX_UPLOAD_BYTES:
        raise RequestTooLarge(f"a file has at most {MAX_UPLOAD_BYTES} bytes")
    request = current_request()
    with autocommit(over) as connection:
        job = jobs_store.announce(
            connection, actor.sub, str(actor.role), wanted, request.correlation_id if request else None, UPLOAD_FOR
        )
    upload = uploads.to_send(job.import_id, wanted.content_type, wanted.size_bytes, now)
    return MadeUpload(**job.shown(None).model_dump(), upload=upload)


def import_job(over: Engine, import_id: int, *, uploads: Uploads, now: datetime) -> ImportJob:
    """
    How far an import has come; not recorded, as whoever waits asks again and again.

    Raises:
        ImportNotFound: There is none, or it was a month ago.
    """
    with autocommit(over) as connection:
        job = jobs_store.find(connection, import_id)
    if job is None:
        raise ImportNotFound(f"no import has the id {import_id}")
    return job.shown(uploads.link(job.result.report_key, now) if job.result and job.result.report_key else None)


@dataclass
class Run:
    """
    One attempt at an uploaded file.

    Attributes:
        over: For the import itself, which is one transaction.
        beside: For what is to be seen while that is under way.
        run: By which this attempt is told from another; Lambda's own tries at one event have the same.
        time_left_s: Until whoever runs this is stopped.
    """

    over: Engine
    beside: Engine
    uploads: Uploads
    terms: Terms
    run: str
    time_left_s: Callable[[], float]
    done: int = 0
    total: int | None = None
    told_at: float = field(default=0, init=False)

    def take(self, arrived: Arrived) -> str:
        """
        Import a file that is there; what came of it is told by GET /imports/{import_id}.

        Returns:
            What became of it, for the log.
        Raises:
            Unavailable: It is worth another try.
        """
        with autocommit(self.beside) as connection:
            begun = jobs_store.begin(
                connection, arrived.import_id, self.run, timedelta(seconds=self.time_left_s() + RESERVE_S)
            )
        if begun.job is None:
            return begun.outcome
        job = begun.job
        known_by = job.correlation_id or (now.correlation_id if (now := current_request()) else "")
        # What came of it is told whoever asked for it, and if they are not admitted any more.
        with serving(Request(known_by)):
            try:
                with serving(Request(known_by, sub=job.owner)):
                    self._import(job, arrived.size_bytes)
            except Unavailable as error:
                if job.runs < MOST_RUNS:
                    raise
                return self._fail(job, error)
            except DynoError as error:
                return self._fail(job, error)
            except Exception as error:
                self._fail(job, DynoError(str(error)))
                raise
        return "succeeded"

    def _import(self, job: Job, size_bytes: int) -> None:
        if size_bytes != job.wanted.size_bytes:
            raise InvalidRequest(f"the file has {size_bytes} bytes; {job.wanted.size_bytes} were announced")
        content = self.uploads.read(job.import_id)
        course = Course(
            most_rows=MAX_ROWS,
            give_up_at=lambda: time.monotonic() + min(TIMEOUT_S, self.time_left_s() - RESERVE_S),
            found=self._found(job),
            done=self._done(job),
            settle=lambda connection, report: self._settle(job, report, connection),
        )
        service.import_file(
            self.over,
            content,
            job.wanted.wanted,
            charset=job.wanted.charset,
            actor=Actor(job.owner, Role(job.role)),
            terms=self.terms,
            course=course,
        )

    def _found(self, job: Job) -> Callable[[int], None]:
        def tell(rows: int) -> None:
            self.done, self.total = 0, rows
            self._tell(job)

        return tell

    def _done(self, job: Job) -> Callable[[], None]:
        def count() -> None:
            self.done += 1
            if time.monotonic() > self.told_at + TELL_EVERY_S:
                self._tell(job)

        return count

    def _tell(self, job: Job) -> None:
        """How far it has come; nobody who cannot be told makes it fail."""
        self.told_at = time.monotonic()
        with suppress(DynoError), autocommit(self.beside) as connection:
            jobs_store.note(connection, job.import_id, self.run, self.done, self.total or 0)

    def _settle(self, job: Job, report: ImportReport, connection: Connection) -> None:
        """Keep the report, and note that it is over with all that it did, or would."""
        key = self.uploads.keep_report(job.import_id, report.model_dump_json())
        over = self._over(job, "succeeded", Result.of(report, key))
        if report.dry_run:
            with autocommit(self.beside) as aside:
                ended = jobs_store.end(aside, *over)
        else:
            ended = jobs_store.end(connection, *over)
        if not ended:
            told = "another run has it by now, or its owner was disabled"
            raise InvalidRequest(f"import {job.import_id} is not this run's to end: {told}")

    def _fail(self, job: Job, error: DynoError) -> str:
        told: dict[str, Any] = json.loads(json.dumps(problem_document(error, job.correlation_id), default=str))
        report = told.pop("report", None)
        found = Result(problem=told)
        if report is not None:
            key = self.uploads.keep_report(job.import_id, json.dumps(report))
            found = Result.of(ImportReport.model_validate(report), key).model_copy(update={"problem": told})
        logger.info("import failed", import_id=job.import_id, code=error.code)
        with autocommit(self.beside) as connection:
            jobs_store.end(connection, *self._over(job, "failed", found))
        return error.code

    def _over(
        self, job: Job, status: Literal["succeeded", "failed"], result: Result
    ) -> tuple[int, str, str, Result, int, int | None]:
        return job.import_id, self.run, status, result, self.done, self.total
