"""Every table, on one page, as the migrations leave them; what only PostgreSQL enforces is spelt out there."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

# the lab

dynos = Table(
    "dynos",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text(collation="C"), nullable=False),
    Column("facility", Text),
    Column("enabled", Boolean, nullable=False),
    Column("available_from", Date),
    Column("available_to", Date),
    Column("turnaround_days", SmallInteger, nullable=False),
    Column("breadth", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("retired_at", DateTime(timezone=True)),
)

capabilities = Table(
    "capabilities",
    metadata,
    Column("dyno_id", Integer, ForeignKey("dynos.id"), primary_key=True),
    Column("test_type", Text, primary_key=True),
    Column("drive_type", Text, primary_key=True),
    Column("weight_class", Text, primary_key=True),
)

order_of_choice = Table(
    "order_of_choice",
    metadata,
    Column("test_type", Text, primary_key=True),
    Column("drive_type", Text, primary_key=True),
    Column("weight_class", Text, primary_key=True),
    Column("breadth", Integer, primary_key=True),
    Column("name", Text(collation="C"), primary_key=True),
    Column("dyno_id", Integer, ForeignKey("dynos.id", ondelete="CASCADE"), nullable=False),
)

vehicles = Table(
    "vehicles",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("vin", Text, nullable=False),
    Column("weight_lbs", Integer, nullable=False),
    Column("drive_type", Text, nullable=False),
    Column("weight_class", Text),
    Column("program", Text),
    Column("build_id", Text),
    Column("cert_team", Text),
    Column("engine", Text),
    Column("build_type", Text),
    Column("version", Integer, nullable=False),
    Column("retired_at", DateTime(timezone=True)),
)

registry_history = Table(
    "registry_history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("thing_id", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("action", Text, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB, nullable=False),
)

occupancies = Table(
    "occupancies",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("dyno_id", Integer, ForeignKey("dynos.id"), nullable=False),
    Column("vehicle_id", Integer, ForeignKey("vehicles.id")),
    Column("test_type", Text),
    Column("reason", Text),
    Column("start_date", Date, nullable=False),
    Column("end_date", Date, nullable=False),
    Column("turnaround_days", SmallInteger, nullable=False),
    Column("shift_days", SmallInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("booked_by", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("cancelled_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    Column("occupies", Boolean),
    Column("free_from", Date),
    Column("asked_date", Date),
    Column("committed_at", DateTime(timezone=True)),
    Column("work", JSONB),
)

history = Table(
    "history",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("occupancy_id", BigInteger, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
)

notices = Table(
    "notices",
    metadata,
    Column("history_id", BigInteger, ForeignKey("history.id"), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("correlation_id", Text),
    Column("claimed_until", DateTime(timezone=True)),
    Column("sent_at", DateTime(timezone=True)),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("answer", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sub", Text, nullable=False),
    Column("role", Text),
    Column("enrolled_at", DateTime(timezone=True)),
    Column("left_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    Column("disabled_at", DateTime(timezone=True)),
)

calendars = Table(
    "calendars",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False),
    Column("owner", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("dyno_id", Integer, ForeignKey("dynos.id")),
    Column("vehicle_id", Integer, ForeignKey("vehicles.id")),
    Column("booked_by", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
)

refusals = Table(
    "refusals",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("refused_at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("vehicle_id", Integer, ForeignKey("vehicles.id"), nullable=False),
    Column("test_type", Text, nullable=False),
    Column("drive_type", Text, nullable=False),
    Column("weight_class", Text, nullable=False),
    Column("start_date", Date, nullable=False),
    Column("days_to_complete", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("conflicting", Boolean, nullable=False),
)

imported_requests = Table(
    "imported_requests",
    metadata,
    Column("identity", LargeBinary, primary_key=True),
    Column("allocation_id", BigInteger, ForeignKey("occupancies.id")),
    Column("imported_at", DateTime(timezone=True), nullable=False),
)

import_jobs = Table(
    "import_jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("wanted", JSONB, nullable=False),
    Column("correlation_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("upload_until", DateTime(timezone=True), nullable=False),
    Column("status", Text, nullable=False),
    Column("run", Text),
    Column("runs", Integer, nullable=False),
    Column("run_until", DateTime(timezone=True)),
    Column("begun_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("rows_done", Integer, nullable=False),
    Column("rows_total", Integer),
    Column("result", JSONB),
)

# metrics

metrics = Table(
    "metrics",
    metadata,
    Column("id", BigInteger, nullable=False),
    Column("event_id", Text, primary_key=True),
    Column("correlation_id", Text, nullable=False),
    Column("service_name", Text, nullable=False),
    Column("method_name", Text, nullable=False),
    Column("user_id", Integer),
    Column("duration_ms", Double, nullable=False),
    Column("success", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("error_type", Text),
    Column("error_message", Text),
    Column("metadata", JSONB),
    Column("created_at", DateTime(timezone=True), primary_key=True),
    Column("parent_event_id", Text),
)

metrics_rollups = Table(
    "metrics_rollups",
    metadata,
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("service_name", Text, primary_key=True),
    Column("method_name", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("calls", Integer, nullable=False),
    Column("duration_ms_sum", Double, nullable=False),
    Column("duration_ms_max", Double, nullable=False),
    *(Column(f"bucket_{number}", Integer, nullable=False) for number in range(64)),
)

metrics_series = Table(
    "metrics_series",
    metadata,
    Column("service_name", Text, primary_key=True),
    Column("method_name", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("duration_ms_sum", Double, nullable=False),
    Column("duration_ms_max", Double, nullable=False),
    *(Column(f"bucket_{number}", BigInteger, nullable=False) for number in range(64)),
)

observations = Table(
    "observations",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("correlation_id", Text, nullable=False),
    Column("user_id", Integer),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("value", Double, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

observation_totals = Table(
    "observation_totals",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("labels", JSONB, primary_key=True),
    Column("value", Double, nullable=False),
    Column("observations", BigInteger, nullable=False),
    Column("observed_at", DateTime(timezone=True), nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("letter_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("line", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("redriven_at", DateTime(timezone=True)),
)

dead_letter_totals = Table(
    "dead_letter_totals",
    metadata,
    Column("reason", Text, primary_key=True),
    Column("letters", BigInteger, nullable=False),
    Column("redriven", BigInteger, nullable=False),
    Column("aged", BigInteger, nullable=False),
)

# what it saves

allocation_days = Table(
    "allocation_days",
    metadata,
    Column("time_zone", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("kept", Integer, nullable=False),
    Column("cancelled_early", Integer, nullable=False),
    Column("replaced", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("refused_conflicts", Integer, nullable=False),
    Column("placed_calls", Integer, nullable=False),
    Column("placed_ms", Double, nullable=False),
    Column("closed_at", DateTime(timezone=True), nullable=False),
)

conflict_checks = Table(
    "conflict_checks",
    metadata,
    Column("checked_at", DateTime(timezone=True), primary_key=True),
    Column("conflicts", BigInteger, nullable=False),
    Column("occupancy_id", BigInteger, nullable=False),
    Column("history_id", BigInteger, nullable=False),
)

roi_assumptions = Table(
    "roi_assumptions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("valid_from", Date, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("assumptions", JSONB, nullable=False),
)

roi_reports = Table(
    "roi_reports",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("start_date", Date, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("computed_at", DateTime(timezone=True), nullable=False),
    Column("digest", Text, nullable=False),
    Column("report", JSONB, nullable=False),
)
