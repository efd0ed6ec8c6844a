"""Rules for every template of every strategy. Beside each: a fault planted in a good template, which it must find."""

import json
from collections.abc import Callable

import pytest

from tests.infrastructure import checks
from tests.infrastructure.template import Template, Templates, only, resources, starting, text
from tests.infrastructure.test_watchtower import EVERYTHING

FROZEN = {
    "DatabaseCluster5B53A178": "AWS::RDS::DBCluster",
    "DatabaseClusterWriterD43085C6": "AWS::RDS::DBInstance",
    "DatabaseMaster5784D55C": "AWS::SecretsManager::Secret",
    "FailedBatchesBucketD51F47E2": "AWS::S3::Bucket",
    "IdentityPool9E5AED46": "AWS::Cognito::UserPool",
    "SnapshotBucket0C603D6F": "AWS::S3::Bucket",
    "UploadsBucketC4B27CC7": "AWS::S3::Bucket",
    # In place of these there would be another cluster, or none:
    "DatabaseClusterSubnets5540150D": "AWS::RDS::DBSubnetGroup",
    "DatabaseGroupFDC7ECA8": "AWS::EC2::SecurityGroup",
    "DatabaseParametersB8AC9B07": "AWS::RDS::DBClusterParameterGroup",
    "NetworkVpc7FB7348F": "AWS::EC2::VPC",
    "NetworkVpcIsolatedSubnet1Subnet0400477E": "AWS::EC2::Subnet",
    "NetworkVpcIsolatedSubnet2SubnetF65B365A": "AWS::EC2::Subnet",
    "NetworkClientsD2C4FBFD": "AWS::EC2::SecurityGroup",
    # And these are known to people's and machines' programs:
    "IdentityPoolDomain8A19A96F": "AWS::Cognito::UserPoolDomain",
    "IdentityPoolScraper93C5D28A": "AWS::Cognito::UserPoolClient",
    "IdentityPoolWebCD876810": "AWS::Cognito::UserPoolClient",
}
"""Another logical id is another resource: the data would stay behind in an orphan, and who knew the old one be lost."""

FROZEN_SERVICE = {
    "ApiRest4DEC74FE": "AWS::ApiGateway::RestApi",
    "CallLog21B43A2B": "AWS::Logs::LogGroup",
}
"""The API's address, and the log that redrive reads again."""

FROZEN_WATCHTOWER = {
    "WatchtowerHistoryFiles2400ACEC": "AWS::EFS::FileSystem",
    "WatchtowerHistoryFilesAccess4019DC82": "AWS::EFS::AccessPoint",
    "WatchtowerPassword333778F8": "AWS::SecretsManager::Secret",
}
"""The same of the strategies with a Prometheus, in the monitoring stack."""

FROZEN_COPY = {"WatchtowerCopyWorkspaceAB127827": "AWS::APS::Workspace"}
"""The same with remote_write=managed."""

KINDS = {
    "data": {*FROZEN.values()},
    "service": {"AWS::ApiGateway::RestApi"} | checks.STATEFUL,
    "monitoring": {"AWS::EFS::AccessPoint"} | checks.STATEFUL,
}
"""Types of which a template has no other resources than these."""

PERMISSION = {
    "Type": "AWS::Lambda::Permission",
    "Properties": {
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Fn::GetAtt": ["AllocationsFunctionFC2E7F5C", "Arn"]},
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": {"Fn::Join": ["", ["arn:aws:execute-api:", {"Ref": "AWS::Region"}, "/prod/GET/allocations"]]},
    },
}


def test_no_functions_policy_outgrows_lambdas_limit(each: Templates) -> None:
    assert [checks.too_large_policies(template) for template in each.all] == [[], [], []]
    assert len(checks.policy_sizes(each.service)) == 8


def test_a_policy_of_two_permissions_a_method_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().service
    spoilt["Resources"] |= {f"Permission{number}": PERMISSION for number in range(72)}

    assert checks.too_large_policies(spoilt) == ["AllocationsFunctionFC2E7F5C"]


def test_the_way_to_s3_admits_only_the_snapshot_uploads_and_answers_to_cloudformation(each: Templates) -> None:
    endpoint = only(each.data, "AWS::EC2::VPCEndpoint")
    admitted = {text(s["Resource"]) for s in endpoint["Properties"]["PolicyDocument"]["Statement"]}

    assert checks.foreign_buckets(each.data) == []
    assert "arn:<AWS::Partition>:s3:::cloudformation-custom-resource-response-<AWS::Region>/*" in admitted
    assert len(admitted) == 5


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:*", "Resource": {"Fn::GetAtt": ["SnapshotBucket0C603D6F", "Arn"]}},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::somebody-elses/*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": {"Fn::GetAtt": ["SnapshotBucket0C603D6F", "Arn"]}},
        {
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": {"Fn::Join": ["", [{"Fn::GetAtt": ["UploadsBucketC4B27CC7", "Arn"]}, "/uploads/*"]]},
            "Condition": {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}},
        },
    ],
    ids=["every bucket", "every action", "another bucket", "every account", "a file of one's own"],
)
def test_a_wider_way_to_s3_would_be_found(aws: Templates, statement: dict[str, object]) -> None:
    spoilt = aws.planted().data
    only(spoilt, "AWS::EC2::VPCEndpoint")["Properties"]["PolicyDocument"]["Statement"].append(statement)

    assert checks.foreign_buckets(spoilt) != []


def test_no_policy_on_the_way_to_s3_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().data
    del only(spoilt, "AWS::EC2::VPCEndpoint")["Properties"]["PolicyDocument"]

    assert checks.foreign_buckets(spoilt) != []


def test_nothing_waits_for_itself_and_every_reference_is_there(each: Templates, local: Templates) -> None:
    for template in (*each.all, *local.all):
        assert checks.cycles(template) == []
        assert checks.dangling(template) == []
    assert checks.backward_imports(each.all) == []
    assert checks.backward_imports(local.all) == []


def test_a_cycle_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().data
    only(spoilt, "AWS::RDS::DBCluster")["DependsOn"] = ["Migrate"]

    assert checks.cycles(spoilt) != []


def test_a_reference_to_nothing_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().data
    del spoilt["Resources"]["SnapshotBucket0C603D6F"]

    assert checks.dangling(spoilt) == ["SnapshotBucket0C603D6F"]


def test_an_import_from_a_later_stack_would_be_found(aws: Templates) -> None:
    assert checks.backward_imports(reversed(aws.all)) != []


def test_every_version_is_pinned(each: Templates) -> None:
    assert [checks.latest(template) for template in each.all] == [[], [], []]


def test_an_image_called_latest_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().service
    spoilt["Resources"]["Task"] = {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {"Image": "prom/prometheus:latest"},
    }

    assert checks.latest(spoilt) == ["prom/prometheus:latest"]


def test_the_network_has_no_way_out_or_in(each: Templates) -> None:
    assert [checks.ways_out(template) for template in (each.data, each.service)] == [[], []]


def test_the_only_ways_out_are_of_a_network_that_leads_to_no_other(each: Templates, strategy: str) -> None:
    assert checks.joined_networks(each.monitoring) == []
    assert bool(checks.ways_out(each.monitoring)) == (strategy != "cloudwatch")


@pytest.mark.parametrize(
    ("type_", "properties"),
    [
        ("AWS::EC2::Route", {"RouteTableId": {"Fn::ImportValue": "DynoAgent-Data:RouteTable"}}),
        ("AWS::EC2::VPCGatewayAttachment", {"VpcId": {"Fn::ImportValue": "DynoAgent-Data:Vpc"}}),
        ("AWS::EC2::VPCPeeringConnection", {}),
        ("AWS::ECS::Service", {"NetworkConfiguration": {"Subnets": [{"Fn::ImportValue": "DynoAgent-Data:Subnet"}]}}),
    ],
)
def test_a_way_from_there_to_the_database_would_be_found(
    deployment: Callable[..., Templates], type_: str, properties: dict[str, object]
) -> None:
    spoilt = deployment(monitoring="hybrid").planted().monitoring
    spoilt["Resources"]["Hole"] = {"Type": type_, "Properties": properties}

    assert checks.joined_networks(spoilt) == ["Hole"]


@pytest.mark.parametrize("type_", ["AWS::EC2::NatGateway", "AWS::EC2::InternetGateway", "AWS::EC2::Route"])
def test_a_way_out_would_be_found(aws: Templates, type_: str) -> None:
    spoilt = aws.planted().data
    spoilt["Resources"]["Hole"] = {"Type": type_, "Properties": {}}

    assert checks.ways_out(spoilt) == ["Hole"]


def test_a_public_subnet_or_database_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().data
    only(spoilt, "AWS::RDS::DBInstance")["Properties"]["PubliclyAccessible"] = True
    starting(spoilt, "AWS::EC2::Subnet", "NetworkVpcIsolatedSubnet1")["Properties"]["MapPublicIpOnLaunch"] = True

    assert len(checks.ways_out(spoilt)) == 2


def test_names_are_derived_but_the_dashboards(each: Templates) -> None:
    board = only(each.monitoring, "AWS::CloudWatch::Dashboard")

    assert [checks.fixed_names(template) for template in each.all] == [[], [], []]
    assert board["Properties"]["DashboardName"] == "DynoAgent-Production"


@pytest.mark.parametrize(
    ("type_", "key"),
    [
        ("AWS::S3::Bucket", "BucketName"),
        ("AWS::Cognito::UserPoolDomain", "Domain"),
        ("AWS::RDS::DBCluster", "DBClusterIdentifier"),
        ("AWS::SecretsManager::Secret", "Name"),
    ],
)
def test_a_fixed_name_would_be_found(aws: Templates, type_: str, key: str) -> None:
    spoilt = aws.planted().data
    next(iter(resources(spoilt, type_).values()))["Properties"][key] = "dyno-agent"

    assert len(checks.fixed_names(spoilt)) == 1


def frozen(strategy: str) -> dict[str, dict[str, str]]:
    return {
        "data": FROZEN,
        "service": FROZEN_SERVICE,
        "monitoring": {} if strategy == "cloudwatch" else FROZEN_WATCHTOWER,
    }


def moved(templates: Templates, wanted: dict[str, dict[str, str]]) -> set[str]:
    """What is gone from where it was, and what of its kinds is there by another name."""
    return {
        name
        for part, names in wanted.items()
        for found in [{name: r["Type"] for name, r in getattr(templates, part)["Resources"].items()}]
        for name in {name for name, type_ in found.items() if type_ in KINDS[part]} ^ names.keys()
        if found.get(name) != names.get(name)
    }


def test_what_is_stateful_or_known_to_others_is_kept_under_the_name_it_has(each: Templates, strategy: str) -> None:
    assert moved(each, frozen(strategy)) == set()
    assert [checks.not_retained(template) for template in each.all] == [[], [], []]
    assert starting(each.service, "AWS::Logs::LogGroup", "CallLog")["DeletionPolicy"] == "Retain"


def test_so_is_a_managed_copy_of_the_history(deployment: Callable[..., Templates]) -> None:
    wanted = frozen("hybrid") | {"monitoring": FROZEN_WATCHTOWER | FROZEN_COPY}

    assert moved(deployment(**EVERYTHING), wanted) == set()


@pytest.mark.parametrize("name", [*FROZEN, *FROZEN_SERVICE, *FROZEN_WATCHTOWER])
def test_another_name_of_it_would_be_found(deployment: Callable[..., Templates], name: str) -> None:
    spoilt = deployment(monitoring="hybrid").planted()
    for template in spoilt.all:
        if name in template["Resources"]:
            template["Resources"]["Renamed"] = template["Resources"].pop(name)

    assert name in moved(spoilt, frozen("hybrid"))


def test_another_of_a_kind_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted()
    spoilt.service["Resources"]["Second"] = {"Type": "AWS::S3::Bucket"}
    spoilt.data["Resources"]["Third"] = {"Type": "AWS::Cognito::UserPoolClient"}

    assert moved(spoilt, frozen("cloudwatch")) == {"Second", "Third"}


def test_a_bucket_that_is_deleted_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().data
    spoilt["Resources"]["SnapshotBucket0C603D6F"]["UpdateReplacePolicy"] = "Delete"

    assert checks.not_retained(spoilt) == ["SnapshotBucket0C603D6F"]


def test_what_is_kept_leans_on_nothing_that_is_deleted(each: Templates) -> None:
    assert [checks.leaning_on_the_deleted(template) for template in each.all] == [[], [], []]


def test_a_network_deleted_under_its_database_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().data
    for vpc in resources(spoilt, "AWS::EC2::VPC").values():
        vpc["DeletionPolicy"] = "Delete"

    assert len(checks.leaning_on_the_deleted(spoilt)) > 1


def test_the_database_pauses_and_keeps_its_data(each: Templates) -> None:
    cluster = only(each.data, "AWS::RDS::DBCluster")["Properties"]
    parameters = only(each.data, "AWS::RDS::DBClusterParameterGroup")["Properties"]["Parameters"]

    assert cluster["ServerlessV2ScalingConfiguration"] == {
        "MinCapacity": 0,
        "MaxCapacity": 4,
        "SecondsUntilAutoPause": 300,
    }
    assert cluster["EngineVersion"].startswith("16.")
    assert cluster["EnableHttpEndpoint"]
    assert cluster["EnableIAMDatabaseAuthentication"]
    assert cluster["DeletionProtection"]
    assert cluster["BackupRetentionPeriod"] >= 7
    assert cluster["DatabaseName"] == "dyno"
    assert int(parameters["idle_session_timeout"]) <= 60_000
    assert parameters["log_error_verbosity"] == "terse"


def test_roles_are_made_before_the_schema_and_both_after_the_writer(each: Templates) -> None:
    bootstrap, migrate = each.data["Resources"]["Bootstrap"], each.data["Resources"]["Migrate"]
    bootstrap_function = starting(each.data, "AWS::Lambda::Function", "BootstrapFunction")["Properties"]
    migrate_function = starting(each.data, "AWS::Lambda::Function", "MigrateFunction")["Properties"]

    assert "DatabaseClusterWriterD43085C6" in bootstrap["DependsOn"]
    assert {"Bootstrap", "NetworkVpcStorage2B68311A"} <= set(migrate["DependsOn"])
    assert "VpcConfig" not in bootstrap_function
    assert "VpcConfig" in migrate_function
    assert migrate["Properties"]["ServiceTimeout"] == "900"
    assert len(migrate["Properties"]["Fingerprint"]) == 64


def unguarded_people(template: Template) -> list[str]:
    """User pools that one call would delete, with everybody in them."""
    pools = resources(template, "AWS::Cognito::UserPool")
    return [name for name, pool in pools.items() if pool["Properties"].get("DeletionProtection") != "ACTIVE"]


@pytest.mark.parametrize("protection", [{"DeletionProtection": "INACTIVE"}, {}])
def test_a_user_pool_that_one_call_would_delete_would_be_found(aws: Templates, protection: dict[str, str]) -> None:
    spoilt = aws.planted().data
    pool = only(spoilt, "AWS::Cognito::UserPool")["Properties"]
    del pool["DeletionProtection"]
    pool |= protection

    assert unguarded_people(spoilt) == ["IdentityPool9E5AED46"]


def test_the_user_pool_lets_nobody_in_by_themselves(each: Templates) -> None:
    pool = only(each.data, "AWS::Cognito::UserPool")["Properties"]
    web = starting(each.data, "AWS::Cognito::UserPoolClient", "IdentityPoolWeb")["Properties"]
    scraper = starting(each.data, "AWS::Cognito::UserPoolClient", "IdentityPoolScraper")["Properties"]
    groups = {
        group["Properties"]["GroupName"] for group in resources(each.data, "AWS::Cognito::UserPoolGroup").values()
    }

    assert unguarded_people(each.data) == []
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"]
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] >= 12
    assert groups == {"user", "power_user", "admin"}
    assert (web["GenerateSecret"], web["AllowedOAuthFlowsUserPoolClient"]) == (False, False)
    assert (web["IdTokenValidity"], web["TokenValidityUnits"]["IdToken"]) == (1440, "minutes")
    assert scraper["AllowedOAuthFlows"] == ["client_credentials"]
    assert [text(scope) for scope in scraper["AllowedOAuthScopes"]] == ["<IdentityPoolMetrics1C34A878>/read"]
    assert scraper["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]


def test_the_cognito_domain_is_nobody_elses(each: Templates) -> None:
    domain = only(each.data, "AWS::Cognito::UserPoolDomain")["Properties"]["Domain"]

    assert "AWS::StackId" in json.dumps(domain)


def test_every_output_that_the_readme_names_is_there(each: Templates) -> None:
    named = {name for template in each.all for name in template.get("Outputs", {})}

    assert {
        "ApiUrl",
        "CallLogGroupName",
        "DashboardUrl",
        "DependencyLayerArn",
        "DynoLayerArn",
        "FailedBatchesBucketName",
        "ScraperClientId",
        "SnapshotBucketName",
        "SubscriptionPattern",
        "TokenUrl",
        "UploadsBucketName",
        "UserPoolClientId",
        "UserPoolId",
    } <= named
    folders = (
        "Allocations",
        "Metrics",
        "MetricsIngest",
        "Bootstrap",
        "Migrate",
        "Lifecycle",
        "Redrive",
        "Roi",
        "ImportJobs",
    )
    assert {f"{folder}FunctionName" for folder in folders} <= named


def test_a_drill_finds_the_one_database_and_its_one_secret(each: Templates) -> None:
    assert only(each.data, "AWS::RDS::DBCluster")
    assert only(each.data, "AWS::SecretsManager::Secret")


def test_a_second_secret_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted()
    spoilt.data["Resources"]["Planted"] = only(spoilt.data, "AWS::SecretsManager::Secret")

    with pytest.raises(ValueError, match="too many"):
        only(spoilt.data, "AWS::SecretsManager::Secret")
