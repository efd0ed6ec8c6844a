"""Types of resources that cost nothing by themselves, with the reason; what is in neither list is an error."""

from collections.abc import Mapping

_ROUTES = "part of an API, which is billed by requests"
_NETWORK = "a network has no price, its gateways, addresses and endpoints have"
_ACCESS = "access control is free"
_FUNCTIONS = "billed as the function's runs and time"
_PEOPLE = "part of a user pool, which is billed by active people"
_DATABASE = "a setting of the cluster"
_BALANCING = "part of a load balancer"
_TASKS = "billed as the service's tasks"

FREE: Mapping[str, str] = {
    "AWS::ApiGateway::Account": _ROUTES,
    "AWS::ApiGateway::Authorizer": _ROUTES,
    "AWS::ApiGateway::Deployment": _ROUTES,
    "AWS::ApiGateway::GatewayResponse": _ROUTES,
    "AWS::ApiGateway::Method": _ROUTES,
    "AWS::ApiGateway::Model": _ROUTES,
    "AWS::ApiGateway::RequestValidator": _ROUTES,
    "AWS::ApiGateway::Resource": _ROUTES,
    "AWS::Budgets::Budget": "a budget that only tells is free",
    "AWS::CDK::Metadata": "says which constructs were used",
    "AWS::CertificateManager::Certificate": "public certificates are free",
    "AWS::Cognito::UserPoolClient": "a person's client is free; a machine's is billed by tokens",
    "AWS::Cognito::UserPoolDomain": _PEOPLE,
    "AWS::Cognito::UserPoolGroup": _PEOPLE,
    "AWS::Cognito::UserPoolResourceServer": _PEOPLE,
    "AWS::EC2::FlowLog": "billed as the lines in its log group",
    "AWS::EC2::InternetGateway": _NETWORK,
    "AWS::EC2::Route": _NETWORK,
    "AWS::EC2::RouteTable": _NETWORK,
    "AWS::EC2::SecurityGroup": _NETWORK,
    "AWS::EC2::SecurityGroupEgress": _NETWORK,
    "AWS::EC2::SecurityGroupIngress": _NETWORK,
    "AWS::EC2::Subnet": _NETWORK,
    "AWS::EC2::SubnetRouteTableAssociation": _NETWORK,
    "AWS::EC2::VPC": _NETWORK,
    "AWS::EC2::VPCEndpoint": "a gateway's endpoint is free; an interface is billed by hours",
    "AWS::EC2::VPCGatewayAttachment": _NETWORK,
    "AWS::ECS::Cluster": _TASKS,
    "AWS::ECS::TaskDefinition": _TASKS,
    "AWS::EFS::AccessPoint": "part of a file system",
    "AWS::EFS::MountTarget": "part of a file system",
    "AWS::ElasticLoadBalancingV2::Listener": _BALANCING,
    "AWS::ElasticLoadBalancingV2::ListenerCertificate": _BALANCING,
    "AWS::ElasticLoadBalancingV2::ListenerRule": _BALANCING,
    "AWS::ElasticLoadBalancingV2::TargetGroup": _BALANCING,
    "AWS::Events::Rule": "events of AWS's own services are free; the function that one calls is billed by its runs",
    "AWS::IAM::ManagedPolicy": _ACCESS,
    "AWS::IAM::Policy": _ACCESS,
    "AWS::IAM::Role": _ACCESS,
    "AWS::KMS::Alias": "a name of a key",
    "AWS::Lambda::Alias": _FUNCTIONS,
    "AWS::Lambda::EventInvokeConfig": _FUNCTIONS,
    "AWS::Lambda::LayerVersion": _FUNCTIONS,
    "AWS::Lambda::Permission": _FUNCTIONS,
    "AWS::Lambda::Version": _FUNCTIONS,
    "AWS::Logs::MetricFilter": "billed as the metric it makes",
    "AWS::Logs::QueryDefinition": "billed when a query runs",
    "AWS::Logs::SubscriptionFilter": "billed as the runs of the function it feeds",
    "AWS::RDS::DBClusterParameterGroup": _DATABASE,
    "AWS::RDS::DBSubnetGroup": _DATABASE,
    "AWS::S3::BucketPolicy": _ACCESS,
    "AWS::SNS::Subscription": "billed as the topic's notifications",
    "AWS::SNS::TopicPolicy": _ACCESS,
    "AWS::Scheduler::ScheduleGroup": "billed as the schedules' runs",
    "AWS::SecretsManager::SecretTargetAttachment": "part of a secret",
    "AWS::WAFv2::WebACLAssociation": "part of a web ACL",
    "Custom::Bootstrap": "billed as the runs of its function",
    "Custom::Migrate": "billed as the runs of its function",
}
