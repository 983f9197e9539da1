"""What the service in Azure is told by its environment: it starts with all of it right, or names what is wrong."""

from __future__ import annotations

import pytest

from adapters.web import HttpWeb
from azure_settings import settings_of
from canalis.contract.errors import SettingInvalid

KEY = "0123456789abcdef0123456789abcdef"
IN_AZURE = {
    "CANALIS_WORKSPACE": "team",
    "CANALIS_TABLES": "https://acct.table.core.windows.net",
    "CANALIS_BLOBS": "https://acct.blob.core.windows.net",
    "CANALIS_BUS__fullyQualifiedNamespace": "ns.servicebus.windows.net",
    "CANALIS_TENANTS": "t-1, t-2",
    "CANALIS_AUDIENCE": "app-id",
    "CANALIS_RUN_KEY": KEY,
    "WEBSITE_HOSTNAME": "team.azurewebsites.net",
}
EMULATED = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=k;TableEndpoint=http://127.0.0.1:1/a;"
HERE = IN_AZURE | {
    "CANALIS_TABLES": EMULATED,
    "CANALIS_BLOBS": EMULATED.replace("Table", "Blob"),
    "CANALIS_BUS__fullyQualifiedNamespace": "",
    "CANALIS_BUS": "Endpoint=sb://127.0.0.1:2;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true;",
}


def wrong(**changes: str) -> list[str]:
    with pytest.raises(SettingInvalid) as told:
        settings_of({**IN_AZURE, **changes})
    return list(told.value.details["settings"])


def test_what_is_given_is_what_is_read():
    settings = settings_of(IN_AZURE)
    assert (settings.endpoint, settings.tenants) == ("https://team.azurewebsites.net", ("t-1", "t-2"))
    assert (settings.serves, settings.backends, settings.seconds_max) == (
        ("control", "process", "databricks", "transfer"),
        ("process", "databricks", "transfer"),
        50.0,
    )
    assert settings.run_keys == (KEY.encode(),)
    assert (settings.events_topic, settings.webhook_hosts, settings.callback_hosts) == ("", ("*",), ())


def test_who_may_hear_of_runs_is_named():
    given = {
        "CANALIS_EVENTS_TOPIC": "run-events",
        "CANALIS_WEBHOOK_HOSTS": "*, hooks.corp.internal,10.1.2.3 , fd00::2",
        "CANALIS_CALLBACK_HOSTS": "dev.azure.com, *.visualstudio.com",
    }
    settings = settings_of(IN_AZURE | given)
    assert settings.events_topic == "run-events"
    assert settings.webhook_hosts == ("*", "hooks.corp.internal", "10.1.2.3", "fd00::2")
    assert settings.callback_hosts == ("dev.azure.com", "*.visualstudio.com")
    HttpWeb([*settings.webhook_hosts, *settings.callback_hosts])  # raises for what is no host


def test_a_key_vault_of_authors_is_where_nobody_listens_in():
    assert settings_of(IN_AZURE).vault == ""
    at = "https://team.vault.azure.net"
    assert settings_of(IN_AZURE | {"CANALIS_VAULT": f"{at}/"}).vault == at
    assert wrong(CANALIS_VAULT="http://team.vault.azure.net") == wrong(CANALIS_VAULT="team") == ["CANALIS_VAULT"]


def test_the_key_of_secrets_is_another_one_than_that_of_tokens():
    first, second = KEY.encode(), KEY.encode()[::-1]
    keys = settings_of(IN_AZURE | {"CANALIS_RUN_KEY": f"{first.decode()},{second.decode()}"}).vault_keys
    assert len(set(keys)) == 2 and all(len(key) == 32 for key in keys) and not {first, second} & set(keys)
    assert keys == settings_of(IN_AZURE | {"CANALIS_RUN_KEY": f"{first.decode()},{second.decode()}"}).vault_keys


def test_everything_that_is_missing_is_named_at_once():
    with pytest.raises(SettingInvalid) as told:
        settings_of({})
    for name in (*IN_AZURE.keys() - {"WEBSITE_HOSTNAME"}, "CANALIS_ENDPOINT"):
        assert f"{name} is missing" in told.value.message


def test_connection_strings_are_for_services_on_this_machine():
    assert settings_of(HERE).tables == EMULATED
    real = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=k;EndpointSuffix=core.windows.net"
    assert wrong(CANALIS_TABLES=real) == ["CANALIS_TABLES"]
    assert wrong(CANALIS_TABLES=EMULATED + "BlobEndpoint=https://a.blob.core.windows.net") == ["CANALIS_TABLES"]
    bus = "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=k"
    assert wrong(CANALIS_BUS__fullyQualifiedNamespace="", CANALIS_BUS=bus) == ["CANALIS_BUS"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CANALIS_WORKSPACE", "no/name"),
        ("CANALIS_BLOBS", "http://acct.blob.core.windows.net"),
        ("CANALIS_BLOBS", "acct"),
        ("CANALIS_BUS__fullyQualifiedNamespace", "sb://ns"),
        ("CANALIS_RUN_KEY", "short"),
        ("CANALIS_RUN_KEY", f"{KEY},short"),
        ("CANALIS_RUN_KEY", "@Microsoft.KeyVault(SecretUri=https://v/secrets/k)"),
        ("CANALIS_STEP_SECONDS_MAX", "7200"),
        ("CANALIS_STEP_SECONDS_MAX", "soon"),
        ("CANALIS_STEP_SECONDS_MAX", "nan"),
        ("CANALIS_LOG_MAX_BYTES", "1"),
        ("CANALIS_SERVES", "control,../x"),
        ("CANALIS_ISSUERS", "https://issuer"),
        ("CANALIS_ISSUERS", "https://issuer=http://elsewhere/keys"),
        ("CANALIS_ENDPOINT", "http://elsewhere"),
        ("CANALIS_EVENTS_TOPIC", "run events"),
        ("CANALIS_EVENTS_TOPIC", "a/b"),
        ("CANALIS_WEBHOOK_HOSTS", "https://hooks.example.com"),
        ("CANALIS_WEBHOOK_HOSTS", "hooks.example.com:443"),
        ("CANALIS_WEBHOOK_HOSTS", "*.*.com"),
        ("CANALIS_CALLBACK_HOSTS", "*"),
        ("CANALIS_CALLBACK_HOSTS", "dev.azure.com/org"),
    ],
)
def test_a_wrong_setting_is_named(name, value):
    assert wrong(**{name: value}) == [name]


def test_a_secret_never_stands_in_the_message():
    with pytest.raises(SettingInvalid) as told:
        settings_of({**IN_AZURE, "CANALIS_RUN_KEY": "too-short", "CANALIS_BUS__fullyQualifiedNamespace": "a b"})
    assert "too-short" not in told.value.message


def test_one_app_may_serve_a_part():
    assert settings_of({**IN_AZURE, "CANALIS_SERVES": "process, stub"}).backends == ("process", "stub")
