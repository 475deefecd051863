"""How Cassandra is reached, from the environment to the engine."""

import pytest
from pydantic import ValidationError

from tickwheel.server.settings import Settings
from tickwheel.server.store.cassandra import CassandraOptions
from tickwheel.server.wiring.stores import cassandra_options


def test_the_defaults_are_the_engines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONTACT_POINTS", "KEYSPACE", "CONSISTENCY"):
        monkeypatch.delenv(f"TICKWHEEL_CASSANDRA_{name}", raising=False)
    assert cassandra_options(Settings()) == CassandraOptions(contact_points=["127.0.0.1:9042"])


def test_each_setting_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "CONTACT_POINTS": "a:1,b",
        "KEYSPACE": "jobs",
        "CONSISTENCY": "QUORUM",
        "SERIAL_CONSISTENCY": "SERIAL",
        "LOCAL_DC": "dc1",
        "USERNAME": "me",
        "PASSWORD": "secret",
        "REQUEST_TIMEOUT_S": "1.5",
        "SPECULATIVE_DELAY_S": "0.1",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"TICKWHEEL_CASSANDRA_{name}", value)
    settings = Settings()
    assert cassandra_options(settings) == CassandraOptions(
        contact_points=["a:1", "b"],
        keyspace="jobs",
        consistency="QUORUM",
        serial_consistency="SERIAL",
        local_dc="dc1",
        username="me",
        password="secret",
        request_timeout_s=1.5,
        speculative_delay_s=0.1,
    )
    assert "secret" not in repr(settings)


def test_replicas_by_data_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKWHEEL_CASSANDRA_DATACENTERS", "dc1:3, dc-2:2")
    assert Settings().cassandra_datacenters == {"dc1": 3, "dc-2": 2}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONSISTENCY", "MOST"),
        ("SERIAL_CONSISTENCY", "QUORUM"),
        ("DATACENTERS", "dc1"),
        ("DATACENTERS", "dc1:0"),
        ("DATACENTERS", "d c:1"),
        ("REQUEST_TIMEOUT_S", "60"),
        ("SPECULATIVE_DELAY_S", "0"),
    ],
)
def test_nonsense_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TICKWHEEL_CASSANDRA_{name}", value)
    with pytest.raises(ValidationError, match=f"cassandra_{name.lower()}"):
        Settings()
