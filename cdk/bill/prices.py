"""
List prices of us-east-1 in US dollars, each with what it is the price of.

Where a price falls with quantity, it is that of the first step; free tiers are not counted. Source: AWS's price pages,
as known on AS_OF; nothing here asks AWS.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

AS_OF = date(2026, 11, 24)
REGION = "us-east-1"


@dataclass(frozen=True)
class Price:
    """
    What one unit costs.

    Attributes:
        usd: Exact, as listed.
    """

    usd: Decimal
    unit: str


def _price(usd: str, unit: str) -> Price:
    return Price(Decimal(usd), unit)


LAMBDA_REQUESTS = _price("0.20", "M requests")
LAMBDA_TIME = _price("0.0000133334", "GB-s arm64")
SNAPSHOT_KEPT = _price("0.0000015046", "GB-s of a snapshot")
SNAPSHOT_RESTORED = _price("0.0001397998", "GB restored")
"""Of SnapStart, by the function's memory."""

REST_REQUESTS = _price("3.50", "M requests")
DATA_OUT = _price("0.09", "GB")

WEB_ACL = _price("5.00", "web ACL")
WEB_ACL_RULE = _price("1.00", "rule")
WEB_ACL_REQUESTS = _price("0.60", "M requests")
"""By rules of 1,500 capacity units together at most; more have a price besides."""

CUSTOM_METRIC = _price("0.30", "series")
ALARM = _price("0.10", "metric")
FAST_ALARM = _price("0.30", "metric under 60 s")
COMPOSITE_ALARM = _price("0.50", "alarm")
DASHBOARD = _price("3.00", "dashboard")
LOGS_INGESTED = _price("0.50", "GB")
LOGS_STORED = _price("0.03", "GB-month")
LOGS_SCANNED = _price("0.005", "GB")
TRACES = _price("5.00", "M traces")

AURORA_CAPACITY = _price("0.12", "ACU-h")
AURORA_STORAGE = _price("0.10", "GB-month")
AURORA_IO = _price("0.20", "M I/O")

S3_WRITES = _price("5.00", "M PUT")
S3_READS = _price("0.40", "M GET")
S3_STORAGE = _price("0.023", "GB-month")

KMS_KEY = _price("1.00", "key")
SECRET = _price("0.40", "secret")
NOTIFICATIONS = _price("20.00", "M e-mails")
SCHEDULED = _price("1.00", "M runs")
EVENTS = _price("1.00", "M events")
TOKENS = _price("2.25", "1,000 tokens")
"""To machines. The $6 a month that a machine's client cost besides are not counted: AWS is said to have dropped them in
late 2025, which nobody has checked on a bill; docs/cost.md says what they would change."""

ACTIVE_PEOPLE = {
    "LITE": _price("0.0055", "person"),
    "ESSENTIALS": _price("0.015", "person"),
    "PLUS": _price("0.02", "person"),
}
"""Of a month, by the user pool's tier."""

NAT_GATEWAY = _price("0.045", "h")
PUBLIC_ADDRESS = _price("0.005", "address-h")
INTERFACE_ENDPOINT = _price("0.01", "zone-h")
LOAD_BALANCER = _price("0.0225", "h")
LOAD_BALANCER_USE = _price("0.008", "LCU-h")

FARGATE_CPU = {"ARM64": _price("0.03238", "vCPU-h arm64"), "X86_64": _price("0.04048", "vCPU-h x86")}
FARGATE_MEMORY = {"ARM64": _price("0.00356", "GB-h arm64"), "X86_64": _price("0.004445", "GB-h x86")}
"""On demand; Spot is cheaper, by how much changes."""

EFS_STORAGE = _price("0.30", "GB-month")
EFS_THROUGHPUT = _price("6.00", "MB/s provisioned")

MANAGED_SAMPLES = _price("0.09", "M samples")
MANAGED_STORAGE = _price("0.03", "GB-month")
