"""What people come in by to Prometheus and Grafana, if there is a way in: a load balancer."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from constructs import Construct

from cdk.constructs.identity import Identity
from cdk.constructs.nag import accept
from cdk.constructs.network import HTTPS
from cdk.constructs.sign_in import SignIn
from cdk.constructs.watchtower_network import WatchtowerNetwork
from cdk.constructs.watchtower_sites import GRAFANA, PROMETHEUS, Site
from cdk.options import Options

HTTP = ec2.Port.tcp(80)

READING = ("GET", "HEAD")
"""All that Prometheus is asked by people. Its admin API, which can delete everything, answers to POST only; a list of
paths would not keep it apart, as it takes them percent-encoded too."""


class FrontDoor(Construct):
    """
    A load balancer that passes what begins with a site's path, and nothing else.

    With a certificate people sign in with the service's user pool, from anywhere unless addresses are given; without
    one there is nobody to ask, and the addresses alone decide.

    Attributes:
        url: Without a slash at its end.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: WatchtowerNetwork,
        identity: Identity,
        options: Options,
    ) -> None:
        super().__init__(scope, construct_id)
        self._vpc, self._options = network.vpc, options
        self._group = network.group("Door", "The load balancer in front of Prometheus and Grafana")
        self.balancer = elbv2.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=network.vpc,
            internet_facing=True,
            security_group=self._group,
            drop_invalid_header_fields=True,
            deletion_protection=False,
        )
        self._sign_in = self._by(identity) if options.certificate else None
        self._listener = self._https() if options.certificate else self._http()
        self.url = f"https://{options.monitoring_domain}" if options.certificate else self._plain_url()
        self._accept()

    def open_to(self, service: ecs.FargateService) -> None:
        """Pass each site's requests on to its container."""
        self._pass_on(service, PROMETHEUS, 10, [elbv2.ListenerCondition.http_request_methods(list(READING))])
        self._pass_on(service, GRAFANA, 20, [])

    def _pass_on(
        self,
        service: ecs.FargateService,
        site: Site,
        priority: int,
        conditions: Sequence[elbv2.ListenerCondition],
    ) -> None:
        targets = elbv2.ApplicationTargetGroup(
            self,
            f"{site.name.capitalize()}Targets",
            vpc=self._vpc,
            port=site.port,
            protocol=elbv2.ApplicationProtocol.HTTP,
            target_type=elbv2.TargetType.IP,
            targets=[service.load_balancer_target(container_name=site.name, container_port=site.port)],
            health_check=elbv2.HealthCheck(path=site.health_path, healthy_http_codes="200"),
            # A task that is told to end still has a history to keep.
            deregistration_delay=Duration.seconds(10),
        )
        passed_on = elbv2.ListenerAction.forward([targets])
        self._listener.add_action(
            site.name.capitalize(),
            priority=priority,
            conditions=[elbv2.ListenerCondition.path_patterns([site.path, f"{site.path}/*"]), *conditions],
            action=self._sign_in.before(passed_on) if self._sign_in else passed_on,
        )

    def _by(self, identity: Identity) -> SignIn:
        return SignIn(self, "SignIn", identity=identity, host=self._options.monitoring_domain)

    def _https(self) -> elbv2.ApplicationListener:
        self._admit(HTTP)
        self._admit(HTTPS)
        self.balancer.add_listener(
            "Http",
            port=80,
            open=False,
            default_action=elbv2.ListenerAction.redirect(protocol="HTTPS", port="443", permanent=True),
        )
        return self.balancer.add_listener(
            "Https",
            port=443,
            open=False,
            certificates=[elbv2.ListenerCertificate.from_arn(self._options.certificate)],
            ssl_policy=elbv2.SslPolicy.TLS13_RES,
            default_action=_nothing_there(),
        )

    def _http(self) -> elbv2.ApplicationListener:
        self._admit(HTTP)
        listener = self.balancer.add_listener("Http", port=80, open=False, default_action=_nothing_there())
        accept(
            listener,
            dict.fromkeys(
                ("CKV_AWS_2", "CKV_AWS_103"),
                "This deployment chose -c monitoring_cidr= without a certificate: in the clear, for those addresses.",
            ),
        )
        return listener

    def _admit(self, port: ec2.Port) -> None:
        addresses = self._options.monitoring_cidr
        peer = ec2.Peer.ipv4(addresses) if addresses else ec2.Peer.any_ipv4()
        self._group.add_ingress_rule(peer, port, "Who looks at Prometheus and Grafana")

    def _plain_url(self) -> str:
        return f"http://{self.balancer.load_balancer_dns_name}"

    def _accept(self) -> None:
        accept(
            self.balancer,
            dict.fromkeys(
                ("AwsSolutions-ELB2", "CKV_AWS_91"),
                "Few people look at it; what they ask, Grafana logs. A bucket of logs costs more.",
            ),
        )
        if not self._options.monitoring_cidr:
            accept(
                self._group,
                dict.fromkeys(
                    ("AwsSolutions-EC23", "CKV_AWS_260"),
                    "People come from anywhere, and sign in before anything is passed on.",
                ),
            )


def _nothing_there() -> elbv2.ListenerAction:
    return elbv2.ListenerAction.fixed_response(404, content_type="text/plain", message_body="Nothing is here.")
