"""What a deployment costs a month: whatever its templates hold is priced, free with a reason, or an error."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from cdk.bill import prices
from cdk.bill.free import FREE
from cdk.bill.inventory import Group, Inventory, Resource, Templates
from cdk.bill.items import Free, Item
from cdk.bill.series import series
from cdk.bill.traffic import Traffic
from cdk.bill.watching import WatchingPricing
from cdk.options import Strategy
from dyno.metrics import catalogue

PRICED: Mapping[str, Callable[[WatchingPricing, Resource], Iterator[Item]]] = {
    "AWS::APS::Workspace": WatchingPricing.workspace,
    "AWS::ApiGateway::RestApi": WatchingPricing.rest_api,
    "AWS::ApiGateway::Stage": WatchingPricing.api_stage,
    "AWS::CloudWatch::Alarm": WatchingPricing.alarm,
    "AWS::CloudWatch::CompositeAlarm": WatchingPricing.composite_alarm,
    "AWS::CloudWatch::Dashboard": WatchingPricing.dashboard,
    "AWS::Cognito::UserPool": WatchingPricing.user_pool,
    "AWS::Cognito::UserPoolClient": WatchingPricing.user_pool_client,
    "AWS::EC2::EIP": WatchingPricing.address,
    "AWS::EC2::NatGateway": WatchingPricing.nat_gateway,
    "AWS::EC2::VPCEndpoint": WatchingPricing.vpc_endpoint,
    "AWS::ECS::Service": WatchingPricing.ecs_service,
    "AWS::EFS::FileSystem": WatchingPricing.file_system,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": WatchingPricing.load_balancer,
    "AWS::KMS::Key": WatchingPricing.key,
    "AWS::Lambda::Function": WatchingPricing.function,
    "AWS::Logs::LogGroup": WatchingPricing.log_group,
    "AWS::RDS::DBCluster": WatchingPricing.cluster,
    "AWS::RDS::DBInstance": WatchingPricing.instance,
    "AWS::S3::Bucket": WatchingPricing.bucket,
    "AWS::SNS::Topic": WatchingPricing.topic,
    "AWS::Scheduler::Schedule": WatchingPricing.schedule,
    "AWS::SecretsManager::Secret": WatchingPricing.secret,
    "AWS::WAFv2::WebACL": WatchingPricing.web_acl,
}


@dataclass(frozen=True)
class Bill:
    """
    A month's.

    Attributes:
        items: By resource, in the templates' order; the series come last.
        free: The types in the templates of which some or all cost nothing, in name order.
    """

    strategy: Strategy
    traffic: Traffic
    items: tuple[Item, ...]
    free: tuple[Free, ...]

    def of(self, group: Group) -> Decimal:
        """One side's sum in USD, to the cent."""
        return sum((item.usd for item in self.items if item.group is group), Decimal("0.00"))

    @property
    def usd(self) -> Decimal:
        """Everything's sum, to the cent."""
        return self.of(Group.APPLICATION) + self.of(Group.MONITORING)


def bill(templates: Templates, traffic: Traffic, strategy: Strategy) -> Bill:
    """
    What a month costs.

    Args:
        templates: By stack name; the name's end tells whether a resource is the application's.
    Raises:
        UnpricedError: A type or a setting of some resource is in neither list.
    """
    inventory = Inventory(templates)
    pricing = WatchingPricing(inventory, traffic, strategy)
    items = [item for resource in inventory.resources for item in _items(pricing, resource)]
    return Bill(strategy, traffic, (*items, _series(inventory, strategy)), _free(inventory))


def _items(pricing: WatchingPricing, resource: Resource) -> Iterator[Item]:
    if resource.type in PRICED:
        yield from PRICED[resource.type](pricing, resource)
    elif resource.type not in FREE:
        raise resource.unpriced("this type")


def _series(inventory: Inventory, strategy: Strategy) -> Item:
    # A restored environment kept nobody waiting for imports: no cold start is noted.
    started = [door for door in inventory.doors if not door.is_restored]
    count = Decimal(series(strategy, len(started)))
    return Item(Group.MONITORING, "custom metrics", catalogue.NAMESPACE, count, prices.CUSTOM_METRIC)


def _free(inventory: Inventory) -> tuple[Free, ...]:
    counts = Counter(resource.type for resource in inventory.resources if resource.type in FREE)
    return tuple(Free(type_, counts[type_], FREE[type_]) for type_ in sorted(counts))
