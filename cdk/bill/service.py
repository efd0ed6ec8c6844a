"""What the application's own kinds of resources cost: gateway, functions, database, buckets, people."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from cdk.bill import prices
from cdk.bill.inventory import Group, Inventory, Resource, carries_notices
from cdk.bill.items import Item, application, by_stack, monitoring
from cdk.bill.traffic import DAYS, GIGA, HOURS, MILLION, SECONDS, Traffic, traced
from cdk.options import Strategy

MS_PER_HOUR = Decimal(3_600_000)
WEB_ACL_UNITS = {
    "AWSManagedRulesAmazonIpReputationList": 25,
    "AWSManagedRulesCommonRuleSet": 700,
    "AWSManagedRulesKnownBadInputsRuleSet": 200,
    "AWSManagedRulesSQLiRuleSet": 200,
}
"""
Capacity units of those groups of rules that have no price besides a rule's.

Source: AWS WAF Developer Guide, "AWS Managed Rules rule groups list".
"""

RATE_UNITS, LABEL_UNITS, PATH_UNITS = 2, 1, 2
MOST_UNITS = 1500
"""Of a web ACL at its usual price. Source: AWS WAF price page."""

KEPT_MONTHS = Decimal(36)
DEFAULT_RETENTION_DAYS = 400


class Pricing:
    """One deployment's usage; each method prices the resources of a type."""

    def __init__(self, inventory: Inventory, traffic: Traffic, strategy: Strategy) -> None:
        self.inventory, self.traffic, self.strategy = inventory, traffic, strategy

    def rest_api(self, api: Resource) -> Iterator[Item]:
        """Requests and what is answered; a scrape is a request like others."""
        scrapes, traffic = self.traffic.scrapes(self.strategy), self.traffic
        yield application(api, "requests", traffic.requests / MILLION, prices.REST_REQUESTS)
        yield application(api, "answers", traffic.requests * traffic.response_bytes / GIGA, prices.DATA_OUT)
        yield monitoring(api, "scrapes", scrapes / MILLION, prices.REST_REQUESTS)
        yield monitoring(api, "scraped text", scrapes * traffic.scrape_bytes / GIGA, prices.DATA_OUT)

    def api_stage(self, stage: Resource) -> Iterator[Item]:
        """A trace of each request that is sampled; a cache would have an hourly price."""
        if stage.properties.get("CacheClusterEnabled"):
            raise stage.unpriced("a cache")
        if stage.properties.get("TracingEnabled"):
            requests = self.traffic.requests + self.traffic.scrapes(self.strategy)
            yield monitoring(stage, "traces of requests", traced(requests) / MILLION, prices.TRACES)

    def web_acl(self, acl: Resource) -> Iterator[Item]:
        """The web ACL, its rules, and the requests that it looks at, scrapes among them."""
        rules = acl.properties.get("Rules", ())
        units = sum(_units(acl, rule) for rule in rules)
        if units > MOST_UNITS or "AssociationConfig" in acl.properties:
            raise acl.unpriced(f"{units} capacity units, or bodies beyond those that it looks at anyway")
        scrapes = self.traffic.scrapes(self.strategy)
        yield application(acl, "web ACL", Decimal(1), prices.WEB_ACL)
        yield application(acl, "rules", Decimal(len(rules)), prices.WEB_ACL_RULE)
        yield application(acl, "requests looked at", self.traffic.requests / MILLION, prices.WEB_ACL_REQUESTS)
        yield monitoring(acl, "scrapes looked at", scrapes / MILLION, prices.WEB_ACL_REQUESTS)

    def function(self, function: Resource) -> Iterator[Item]:
        """Runs and the time they take, by who runs it; what nobody known does runs once a night."""
        traffic, variables = self.traffic, function.properties.get("Environment", {}).get("Variables", {})
        if function in self.inventory.doors:
            # Which door a request takes is no choice of the templates: each gets an equal part.
            part = 1 / Decimal(len(self.inventory.doors))
            scrapes = traffic.scrapes(self.strategy)
            yield from _runs(Group.APPLICATION, function, "requests", traffic.requests * part, traffic.ms_per_request)
            yield from _runs(Group.MONITORING, function, "scrapes", scrapes * part, traffic.ms_per_scrape)
            yield from self._snapshot(Group.APPLICATION, function, (traffic.requests + scrapes) * part)
        elif carries_notices(function):
            yield from _runs(function.group, function, "notices", traffic.notices, traffic.ms_per_notice)
            yield by_stack(function, "events", traffic.notices / MILLION, prices.EVENTS)
        elif variables.get("DATABASE_USER") == "dyno_notices":  # asked what there is, and told what was sent
            yield from _runs(function.group, function, "notices handed out", 2 * traffic.notices, traffic.ms_per_notice)
        elif self.inventory.takes_records(function):
            yield from self._ingest(function)
        else:
            yield from _runs(function.group, function, "runs", DAYS, traffic.seconds_per_run * 1000)

    def _ingest(self, function: Resource) -> Iterator[Item]:
        batches, traffic = self.traffic.batches, self.traffic
        yield from _runs(Group.MONITORING, function, "batches of records", batches, traffic.ms_per_batch)
        if function.properties.get("TracingConfig", {}).get("Mode") == "Active":
            yield monitoring(function, "traces of batches", traced(batches) / MILLION, prices.TRACES)
        yield monitoring(function, "snapshots written", batches / MILLION, prices.S3_WRITES)
        read = batches + traffic.scrapes(self.strategy)
        yield monitoring(function, "snapshots read", read / MILLION, prices.S3_READS)
        yield from self._snapshot(Group.MONITORING, function, batches)

    def _snapshot(self, group: Group, function: Resource, runs: Decimal) -> Iterator[Item]:
        """Of SnapStart: one version's, as the one before goes with the deployment that follows it."""
        if function.is_restored:
            memory_gb = function.number("MemorySize", 128) / 1024
            restored_gb = runs * self.traffic.share_restored * memory_gb
            yield Item(group, "process kept", function.logical_id, memory_gb * SECONDS, prices.SNAPSHOT_KEPT)
            yield Item(group, "processes restored", function.logical_id, restored_gb, prices.SNAPSHOT_RESTORED)

    def schedule(self, schedule: Resource) -> Iterator[Item]:
        """One run a night."""
        yield by_stack(schedule, "runs", DAYS / MILLION, prices.SCHEDULED)

    def cluster(self, cluster: Resource) -> Iterator[Item]:
        """Storage and I/O; rows of records are the monitoring's. Backups within the cluster's size are free."""
        traffic = self.traffic
        bookings = traffic.requests * traffic.booking_bytes * KEPT_MONTHS / GIGA
        rows = traffic.calls * traffic.row_bytes * self._retention_days() / DAYS / GIGA
        yield application(cluster, "bookings stored", bookings + 1, prices.AURORA_STORAGE)
        yield application(
            cluster, "bookings' I/O", traffic.requests * traffic.io_per_request / MILLION, prices.AURORA_IO
        )
        yield monitoring(cluster, "records stored", rows, prices.AURORA_STORAGE)
        yield monitoring(cluster, "records' I/O", traffic.calls * traffic.io_per_call / MILLION, prices.AURORA_IO)
        if cluster.properties.get("EnableCloudwatchLogsExports"):
            yield application(cluster, "log exported", traffic.other_log_gb, prices.LOGS_INGESTED)

    def instance(self, instance: Resource) -> Iterator[Item]:
        """Capacity: the least there is while it is awake, and what work takes beyond."""
        if instance.properties.get("DBInstanceClass") != "db.serverless":
            raise instance.unpriced("an instance that is not serverless")
        scaling = self._scaling(instance)
        least, most = (Decimal(str(scaling[name])) for name in ("MinCapacity", "MaxCapacity"))
        awake = HOURS if least else self.traffic.hours_awake
        work = self.traffic.requests * self.traffic.database_ms_per_request / MS_PER_HOUR
        capacity = min(awake * max(least, Decimal("0.5")) + work, most * HOURS)
        records = min(self.traffic.calls * self.traffic.database_ms_per_call / MS_PER_HOUR, most * HOURS)
        yield application(instance, "capacity", capacity, prices.AURORA_CAPACITY)
        yield monitoring(instance, "capacity for records", records, prices.AURORA_CAPACITY)

    def bucket(self, bucket: Resource) -> Iterator[Item]:
        """Storage of records, or of what people send. Requests are counted where they are made."""
        whose = application if "NotificationConfiguration" in bucket.properties else monitoring
        yield whose(bucket, "objects", self.traffic.objects_gb, prices.S3_STORAGE)

    def user_pool(self, pool: Resource) -> Iterator[Item]:
        """People who sign in, by tier."""
        tier = pool.properties.get("UserPoolTier", "ESSENTIALS")
        if tier not in prices.ACTIVE_PEOPLE:
            raise pool.unpriced(f"the tier {tier}")
        yield application(pool, "active people", self.traffic.people, prices.ACTIVE_PEOPLE[tier])

    def user_pool_client(self, client: Resource) -> Iterator[Item]:
        """A machine's tokens, each used as long as it is valid."""
        if "client_credentials" in client.properties.get("AllowedOAuthFlows", ()) and self.traffic.scrapes(
            self.strategy
        ):
            unit = client.properties.get("TokenValidityUnits", {}).get("AccessToken", "hours")
            valid = client.number("AccessTokenValidity", 1) * {"minutes": 1, "hours": 60, "days": 1440}[unit]
            yield monitoring(client, "scraper's tokens", HOURS * 60 / valid / 1000, prices.TOKENS)

    def secret(self, secret: Resource) -> Iterator[Item]:
        """Each, a month."""
        yield by_stack(secret, "secret", Decimal(1), prices.SECRET)

    def key(self, key: Resource) -> Iterator[Item]:
        """Each, a month; what it encrypts costs less than a cent."""
        yield by_stack(key, "key", Decimal(1), prices.KMS_KEY)

    def _retention_days(self) -> Decimal:
        for function in self.inventory.of("AWS::Lambda::Function"):
            variables = function.properties.get("Environment", {}).get("Variables", {})
            if "METRICS_RETENTION_DAYS" in variables:
                return Decimal(variables["METRICS_RETENTION_DAYS"])
        return Decimal(DEFAULT_RETENTION_DAYS)

    def _scaling(self, instance: Resource) -> dict[str, float]:
        for cluster in self.inventory.of("AWS::RDS::DBCluster"):
            scaling: dict[str, float] | None = cluster.properties.get("ServerlessV2ScalingConfiguration")
            if scaling and self.inventory.referred(cluster, instance.type, "DBClusterIdentifier"):
                return scaling
        raise instance.unpriced("an instance whose capacity no cluster of its template says")


def _units(acl: Resource, rule: Mapping[str, Any]) -> int:
    """Of a rule that lets pass, counts or blocks; puzzles are paid for by the try, other groups by the request."""
    match rule["Statement"]:
        case {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": name}} if name in WEB_ACL_UNITS:
            return WEB_ACL_UNITS[name]
        case {"RateBasedStatement": {"AggregateKeyType": "IP"}} if rule.get("Action", {}).keys() == {"Block"}:
            return RATE_UNITS
        case {"AndStatement": {"Statements": [{"OrStatement": {"Statements": labels}}, {"NotStatement": _}]}}:
            return len(labels) * LABEL_UNITS + PATH_UNITS
    raise acl.unpriced(f"the rule {rule['Name']}")


def _runs(group: Group, function: Resource, what: str, runs: Decimal, ms: Decimal) -> Iterator[Item]:
    if not runs:
        return
    if "arm64" not in function.properties.get("Architectures", ()):
        raise function.unpriced("a function that is not arm64")
    gb_seconds = runs * ms / 1000 * function.number("MemorySize", 128) / 1024
    yield Item(group, what, function.logical_id, runs / MILLION, prices.LAMBDA_REQUESTS)
    yield Item(group, f"time for {what}", function.logical_id, gb_seconds, prices.LAMBDA_TIME)
