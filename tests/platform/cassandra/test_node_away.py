"""While the node, or PostgreSQL, is unavailable, the relay waits; then it goes on, and nothing is missing."""

import requests
from cassandra_rows import wait_relayed
from waiting import wait_until


def test_it_waits_for_the_node_and_goes_on(node, keyspace, owner, writer, relay):
    writer.store_new(50)
    process = relay()
    wait_relayed(owner, node, keyspace)
    node.kill()
    try:
        writer.store_new(50)
        wait_until(lambda: "can't write" in process.log.read_text(), "it says so", 180)
        assert process.metric("cassandra_relay_errors_total") >= 1
        wait_until(lambda: process.metric("cassandra_relay_lag_seconds") > 1, "the lag grows")
        assert requests.get(f"{process.url}/livez", timeout=30).status_code == 200
    finally:
        node.start()
    wait_relayed(owner, node, keyspace)
    wait_until(lambda: process.metric("cassandra_relay_lag_seconds") < 1, "it has seen that all is there")
    assert process.stop() == 0
