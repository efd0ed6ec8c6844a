"""Every row, in the order they are measured in; a new one is a module with a ROW, and a line here."""

from tests.benchmarks.rows import (
    bill,
    booking,
    coldstart,
    crowd,
    crowds,
    exposition,
    ingest,
    instrumentation,
    refusal,
    refusals,
    reports,
    request,
    savings,
)

ROWS = (
    instrumentation.ROW,
    exposition.ROW,
    coldstart.ROW,
    ingest.ROW,
    reports.ROW,
    savings.ROW,
    booking.ROW,
    refusal.ROW,
    refusals.ROW,
    crowd.ROW,
    crowds.ROW,
    request.ROW,
    bill.ROW,
)
