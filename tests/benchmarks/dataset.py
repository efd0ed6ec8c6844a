"""A month of calls, made where they are kept: the rows, and the rollups that ingest would have counted of them."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from dyno.metrics.catalogue import BUCKET_COUNT

DAYS = 30

_BUCKETS = range(BUCKET_COUNT)

_MONTHS = text("""
    select create_metrics_partition(month::date)
      from generate_series(date_trunc('month', cast(:since as timestamp)), cast(:until as timestamp), '1 month') month
""")

# Durations are lognormal: half are below the median, and spread 0.7 has one in a hundred above five times of it.
_ROWS = text("""
    insert into metrics (event_id, correlation_id, service_name, method_name, duration_ms, success, outcome, error_type,
                         created_at)
    select 'e-' || lpad(number::text, 9, '0'), 'c-' || number / 3, service, method,
           round((median_ms * exp(spread * normal))::numeric, 3), outcome = 'success', outcome,
           case outcome when 'error' then 'RuntimeError' when 'rejected' then 'NoDynoAvailable' end,
           cast(:until as timestamptz) - (cast(:rows as integer) - number) * cast(:every as interval)
      from (select number, floor(12 * power(random(), 2)) as kind, random_normal() as normal,
                   case when luck < 0.9 then 'success' when luck < 0.98 then 'rejected' else 'error' end as outcome
              from (select number, random() as luck from generate_series(1, cast(:rows as integer)) number) drawn) calls
      join (values (0, 'AllocationService', 'auto_allocate', 12.0, 0.8),
                   (1, 'AllocationService', 'list_allocations', 6.0, 0.6),
                   (2, 'AllocationService', 'get_allocation', 2.5, 0.5),
                   (3, 'AllocationService', 'list_vehicles', 4.0, 0.6),
                   (4, 'AllocationService', 'cancel_allocation', 5.0, 0.7),
                   (5, 'AllocationService', 'list_dynos', 3.0, 0.5),
                   (6, 'MetricsService', 'performance', 8.0, 0.7),
                   (7, 'MetricsService', 'calls', 4.5, 0.8),
                   (8, 'ReportService', 'render', 180.0, 0.9),
                   (9, 'ReportService', 'mail', 700.0, 1.1),
                   (10, 'ImportService', 'read', 60.0, 1.0),
                   (11, 'ImportService', 'check', 0.8, 0.4)) methods (kind, service, method, median_ms, spread)
     using (kind)
""")

_HOURLY = text(f"""
    insert into metrics_rollups
    select hour, service_name, method_name, outcome, sum(calls), sum(total_ms), max(max_ms),
           {", ".join(f"coalesce(sum(calls) filter (where bucket = {number}), 0)" for number in _BUCKETS)}
      from (select date_trunc('hour', created_at, 'UTC') as hour, service_name, method_name, outcome,
                   duration_bucket(duration_ms) as bucket,
                   count(*) as calls, sum(duration_ms) as total_ms, max(duration_ms) as max_ms
              from metrics
             group by 1, 2, 3, 4, 5) shares
     group by hour, service_name, method_name, outcome
     order by hour, service_name, method_name, outcome
""")

_TOTALS = text(f"""
    insert into metrics_series
    select service_name, method_name, outcome, sum(calls), sum(duration_ms_sum), max(duration_ms_max),
           {", ".join(f"sum(bucket_{number})" for number in _BUCKETS)}
      from metrics_rollups
     group by service_name, method_name, outcome
""")


def fill(connection: Connection, rows: int, until: datetime) -> None:
    """
    Put calls into empty metrics tables: of three services' twelve methods, evenly over the DAYS before a moment.

    Args:
        connection: The owner's or the superuser's, on which each statement is its own transaction.
    """
    since = until - timedelta(days=DAYS)
    connection.execute(_MONTHS, {"since": since, "until": until})
    connection.execute(text("select setseed(0.5)"))
    connection.execute(_ROWS, {"rows": rows, "until": until, "every": (until - since) / rows})
    connection.execute(_HOURLY)
    connection.execute(_TOTALS)
    connection.execute(text("vacuum (analyze) metrics, metrics_rollups, metrics_series"))
