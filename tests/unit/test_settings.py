import pytest

from dyno.errors import InvalidSettings
from dyno.settings import RedriveSettings, Settings, Strategy

ENOUGH = {
    "DATABASE_HOST": "h",
    "DATABASE_USER": "u",
    "DATABASE_CA_FILE": "f",
    "AWS_REGION": "eu-west-1",
    "USER_POOL_ISSUER": "i",
    "USER_POOL_CLIENT_ID": "c",
    "SCRAPER_CLIENT_ID": "s",
    "SNAPSHOT_BUCKET": "b",
}


def test_what_is_left_out_has_its_default() -> None:
    settings = Settings.from_env(ENOUGH)

    assert (settings.database_port, settings.metrics_strategy, settings.horizon_days) == (
        5432,
        Strategy.CLOUDWATCH,
        1825,
    )


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidSettings) as wrong:
        Settings.from_env(
            {
                "DATABASE_PORT": "x",
                "METRICS_STRATEGY": "graphite",
                "LAB_TIME_ZONE": "Mars/Olympus",
                "DATABASE_USER": "u",
            }
        )

    for name in (
        "DATABASE_HOST",
        "DATABASE_PORT",
        "METRICS_STRATEGY",
        "LAB_TIME_ZONE",
        "AWS_REGION",
        "SNAPSHOT_BUCKET",
    ):
        assert name in str(wrong.value)
    assert "DATABASE_USER" not in str(wrong.value)


@pytest.mark.parametrize("auth", [{}, {"DATABASE_AUTH": "iam"}])
@pytest.mark.parametrize("ca_file", [{}, {"DATABASE_CA_FILE": ""}])
def test_no_token_without_a_verified_server(auth: dict[str, str], ca_file: dict[str, str]) -> None:
    unverified = {name: value for name, value in ENOUGH.items() if name != "DATABASE_CA_FILE"} | auth | ca_file

    with pytest.raises(InvalidSettings, match="DATABASE_AUTH=iam needs DATABASE_CA_FILE"):
        Settings.from_env(unverified)


def test_without_a_token_the_server_need_not_be_verified() -> None:
    settings = Settings.from_env(ENOUGH | {"DATABASE_AUTH": "trust", "DATABASE_CA_FILE": ""})

    assert settings.database_ca_file == ""


def test_redrive_is_told_three_names_and_misses_each_aloud() -> None:
    told = {"FAILED_BATCHES_BUCKET": "b", "CALL_LOG_GROUP_NAME": "l", "INGEST_FUNCTION_NAME": "i"}

    assert RedriveSettings.from_env(told) == RedriveSettings("b", "l", "i")
    for name in told:
        with pytest.raises(InvalidSettings, match=f"^{name} is missing$"):
            RedriveSettings.from_env({other: value for other, value in told.items() if other != name})
