"""What watching costs: alarms, dashboards, logs, and a Prometheus of one's own with its network."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from cdk.bill import prices
from cdk.bill.board import Board
from cdk.bill.inventory import Resource, references
from cdk.bill.items import Item, application, by_stack, monitoring
from cdk.bill.prices import Price
from cdk.bill.service import Pricing
from cdk.bill.traffic import DAYS, GIGA, HOURS, LOG_COMPRESSION, MILLION

FAST_S = 60
"""An alarm that looks more often than that has a price of its own."""

FOREVER_MONTHS = 120
"""For a log group that keeps everything: what ten years' lines cost."""

CPU_UNITS = 1024

SAMPLE_BYTES, MANAGED_MONTHS = Decimal(2), Decimal(5)
"""Of Amazon Managed Prometheus: the most that it counts for a sample, and how long it keeps one."""


class WatchingPricing(Pricing):
    """The same deployment's usage, for the types that watch it."""

    def alarm(self, alarm: Resource) -> Iterator[Item]:
        """By the metrics that it looks at, of which an expression is none."""
        metrics = [each for each in alarm.properties.get("Metrics", ()) if "MetricStat" in each]
        periods = [each["MetricStat"]["Period"] for each in metrics] or [alarm.properties.get("Period", 60)]
        price = prices.FAST_ALARM if min(periods) < FAST_S else prices.ALARM
        yield monitoring(alarm, "alarm", Decimal(len(periods)), price)

    def composite_alarm(self, alarm: Resource) -> Iterator[Item]:
        """Each, a month."""
        yield monitoring(alarm, "composite alarm", Decimal(1), prices.COMPOSITE_ALARM)

    def dashboard(self, dashboard: Resource) -> Iterator[Item]:
        """The dashboard, and the log that its queries read each time that somebody looks."""
        yield monitoring(dashboard, "dashboard", Decimal(1), prices.DASHBOARD)
        board = Board.of(dashboard)
        read = self._call_log_bytes() / GIGA * board.shown_hours / HOURS
        scanned = read * board.queries * self.traffic.dashboard_looks
        yield monitoring(dashboard, "log queries", scanned, prices.LOGS_SCANNED)

    def topic(self, topic: Resource) -> Iterator[Item]:
        """E-mails."""
        yield by_stack(topic, "notifications", self.traffic.notifications / MILLION, prices.NOTIFICATIONS)

    def log_group(self, group: Resource) -> Iterator[Item]:
        """What is taken in and kept, by what is written there: records, requests, batches, or little."""
        traffic = self.traffic
        if self.inventory.referred(group, "AWS::Logs::SubscriptionFilter", "LogGroupName"):
            yield from _log(monitoring, group, "records", traffic.calls * traffic.record_bytes / GIGA)
            yield from self._by_requests(group, "functions' lines", traffic.log_bytes)
        elif self.inventory.referred(group, "AWS::ApiGateway::Stage", "AccessLogSetting"):
            yield from self._by_requests(group, "access log", traffic.access_log_bytes)
        elif self._of_ingest(group):
            yield from _log(monitoring, group, "ingest's lines", traffic.batches * traffic.log_bytes / GIGA)
        else:
            yield from _log(by_stack, group, "lines", traffic.other_log_gb)

    def ecs_service(self, service: Resource) -> Iterator[Item]:
        """Its tasks' processors and memory around the clock, and their addresses."""
        tasks = service.number("DesiredCount", 1)
        task = self._task(service)
        architecture = task.properties.get("RuntimePlatform", {}).get("CpuArchitecture", "X86_64")
        if architecture not in prices.FARGATE_CPU:
            raise task.unpriced(f"the architecture {architecture}")
        cpus, gigabytes = (tasks * task.number(name, 0) / CPU_UNITS for name in ("Cpu", "Memory"))
        yield monitoring(service, "processors", cpus * HOURS, prices.FARGATE_CPU[architecture])
        yield monitoring(service, "memory", gigabytes * HOURS, prices.FARGATE_MEMORY[architecture])
        network = service.properties.get("NetworkConfiguration", {}).get("AwsvpcConfiguration", {})
        if network.get("AssignPublicIp") == "ENABLED":
            yield monitoring(service, "addresses", tasks * HOURS, prices.PUBLIC_ADDRESS)

    def file_system(self, system: Resource) -> Iterator[Item]:
        """What it holds, and the throughput that is reserved; bursts are free, elastic throughput is not."""
        if system.properties.get("ThroughputMode") == "elastic":
            raise system.unpriced("elastic throughput")
        yield monitoring(system, "files", self.traffic.volume_gb, prices.EFS_STORAGE)
        throughput = system.number("ProvisionedThroughputInMibps", 0)
        yield monitoring(system, "throughput", throughput, prices.EFS_THROUGHPUT)

    def workspace(self, workspace: Resource) -> Iterator[Item]:
        """Of a managed Prometheus: the samples that are sent to it, and kept."""
        samples = self.traffic.scrapes(self.strategy) * self.traffic.samples_per_scrape
        yield monitoring(workspace, "samples", samples / MILLION, prices.MANAGED_SAMPLES)
        kept = samples * SAMPLE_BYTES * MANAGED_MONTHS / GIGA
        yield monitoring(workspace, "samples kept", kept, prices.MANAGED_STORAGE)

    def load_balancer(self, balancer: Resource) -> Iterator[Item]:
        """Hours, use, and an address per zone if it faces the internet."""
        if balancer.properties.get("Type", "application") != "application":
            raise balancer.unpriced("a load balancer of another type")
        yield monitoring(balancer, "load balancer", HOURS, prices.LOAD_BALANCER)
        yield monitoring(balancer, "its use", HOURS * self.traffic.balancer_lcu, prices.LOAD_BALANCER_USE)
        if balancer.properties.get("Scheme", "internet-facing") == "internet-facing":
            zones = Decimal(len(balancer.properties.get("Subnets", ())))
            yield monitoring(balancer, "its addresses", HOURS * zones, prices.PUBLIC_ADDRESS)

    def nat_gateway(self, gateway: Resource) -> Iterator[Item]:
        """Hours. The application has no way out, so it is the monitoring's."""
        yield monitoring(gateway, "NAT gateway", HOURS, prices.NAT_GATEWAY)

    def address(self, address: Resource) -> Iterator[Item]:
        """Hours, used or not."""
        yield monitoring(address, "address", HOURS, prices.PUBLIC_ADDRESS)

    def vpc_endpoint(self, endpoint: Resource) -> Iterator[Item]:
        """Hours in each zone; a gateway's endpoint is free."""
        kind = endpoint.properties.get("VpcEndpointType", "Gateway")
        if kind == "Interface":
            zones = Decimal(len(endpoint.properties.get("SubnetIds", ())))
            yield monitoring(endpoint, "interface endpoint", HOURS * zones, prices.INTERFACE_ENDPOINT)
        elif kind != "Gateway":
            raise endpoint.unpriced(f"an endpoint of the type {kind}")

    def _by_requests(self, group: Resource, what: str, size_bytes: Decimal) -> Iterator[Item]:
        scrapes = self.traffic.scrapes(self.strategy)
        yield from _log(application, group, what, self.traffic.requests * size_bytes / GIGA)
        yield from _log(monitoring, group, f"{what} of scrapes", scrapes * size_bytes / GIGA)

    def _call_log_bytes(self) -> Decimal:
        traffic = self.traffic
        requests = traffic.requests + traffic.scrapes(self.strategy)
        return traffic.calls * traffic.record_bytes + requests * traffic.log_bytes

    def _of_ingest(self, group: Resource) -> bool:
        functions = self.inventory.of("AWS::Lambda::Function")
        return any(
            self.inventory.takes_records(each) and group.logical_id in references(each.properties.get("LoggingConfig"))
            for each in functions
            if each.stack == group.stack
        )

    def _task(self, service: Resource) -> Resource:
        wanted = set(references(service.properties.get("TaskDefinition")))
        for task in self.inventory.of("AWS::ECS::TaskDefinition"):
            if task.logical_id in wanted and task.stack == service.stack:
                return task
        raise service.unpriced("a service whose tasks are not in its template")


def _log(
    group: Callable[[Resource, str, Decimal, Price], Item], resource: Resource, what: str, gigabytes: Decimal
) -> Iterator[Item]:
    days = resource.properties.get("RetentionInDays")
    months = Decimal(days) / DAYS if days else Decimal(FOREVER_MONTHS)
    yield group(resource, what, gigabytes, prices.LOGS_INGESTED)
    yield group(resource, f"{what} kept", gigabytes * LOG_COMPRESSION * months, prices.LOGS_STORED)
