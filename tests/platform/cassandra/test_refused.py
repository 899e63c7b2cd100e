"""What is wrong at the start is named, with the setting; no node that answers is waited for."""

import pytest
import requests
from ports import free_port
from tls_front import make_certificate
from waiting import wait_until

from event_tracker.core.cassandra.connection import CassandraRefusedError, open_session
from event_tracker.core.cassandra.settings import CassandraSettings


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"CASSANDRA_PASSWORD": "wrong"}, "The nodes refuse the user. See CASSANDRA_USER and CASSANDRA_PASSWORD"),
        ({"CASSANDRA_USER": "", "CASSANDRA_PASSWORD": ""}, "The nodes refuse the user. See CASSANDRA_USER"),
        ({"CASSANDRA_CA": "other"}, "A node's certificate isn't valid. See CASSANDRA_CA and CASSANDRA_SERVER_NAME"),
        ({"CASSANDRA_CA": ""}, "A node's certificate isn't valid. See CASSANDRA_CA and CASSANDRA_SERVER_NAME"),
        ({"CASSANDRA_SERVER_NAME": ""}, "A node's certificate isn't valid. See CASSANDRA_CA and CASSANDRA_SERVER_NAME"),
        ({"CASSANDRA_KEYSPACE": "missing"}, "There is no keyspace missing (CASSANDRA_KEYSPACE)"),
    ],
)
def test_what_is_wrong_is_named(sign_in, tmp_path, monkeypatch, changed, said):
    if changed.get("CASSANDRA_CA") == "other":
        (tmp_path / "other.crt").write_text(make_certificate(tmp_path, "localhost")[1])
        changed = {"CASSANDRA_CA": tmp_path / "other.crt"}
    for name, value in {**sign_in, **changed}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(CassandraRefusedError) as refused:
        open_session(CassandraSettings.read())
    assert str(refused.value).startswith(said)


@pytest.fixture
def password_file(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret\n")
    return {"CASSANDRA_PASSWORD": "", "CASSANDRA_PASSWORD_FILE": file}


def test_the_relay_ends_and_names_it(node, keyspace, relay, password_file):
    """Here it is a right; that the password in the file is taken is seen by it."""
    for right in ("create", "modify"):
        node.session.execute(f"revoke {right} on keyspace {keyspace} from {keyspace}")
    process = relay(wait=False, **password_file)
    assert process.process.wait(180) == 1
    last = process.log.read_text().splitlines()[-1]
    assert last.startswith(f"cassandra-relay: Cassandra: The user {keyspace} has too few rights")


def test_no_node_is_waited_for_and_named(relay):
    process = relay(wait=False, CASSANDRA_PORT=free_port())
    wait_until(lambda: "waits for Cassandra" in process.log.read_text(), "it says so", 120)
    assert "Connection refused" in process.log.read_text()
    assert requests.get(f"{process.url}/readyz", timeout=30).status_code == 503
    assert requests.get(f"{process.url}/livez", timeout=30).status_code == 200
    assert process.stop() == 0
