"""Three brokers: what was acknowledged is stored once, though PostgreSQL is unavailable for a while, or a broker is lost."""

import os
import signal

from storers import Sender, check_books, is_all_committed, storers, wait_stored
from waiting import wait_until

AWAY_SECONDS = float(os.environ.get("KAFKA_AWAY_SECONDS", "60"))
"""How long PostgreSQL is unavailable; CONTRIBUTING.md has the command for longer."""


def test_storers_wait_for_postgresql_and_store_all_of_it_once(three_brokers, tmp_path, own_postgres):
    kafka, url = three_brokers, own_postgres.url("events")
    kafka.create_topic("away.rejections", 1)
    topic = kafka.create_topic("away", 6)
    sender = Sender(kafka, topic)
    with storers(tmp_path, kafka, topic, own_postgres.url("events", "collector")) as start:
        # A machine that stops for some seconds makes no member leave.
        both = [start(KAFKA_SESSION_SECONDS=30) for _ in range(2)]
        wait_until(lambda: all(one.metric("storer_assigned_partitions") >= 3 for one in both), "each has its half")
        rebalances = [one.metric("storer_rebalances_total") for one in both]
        with sender.sending(each=20):
            wait_stored(url, 200)
            own_postgres.stop("immediate")
            wait_until(
                lambda: all(one.metric("storer_lag_seconds") > AWAY_SECONDS for one in both),
                "records wait for so long",
                AWAY_SECONDS + 120,
            )
            waiting = sum(one.metric("storer_lag_records") for one in both)
            own_postgres.start()
            wait_until(lambda: all(one.metric("storer_paused") == 0 for one in both), "they read again", 120)
        wait_stored(url, len(sender.acknowledged))
        wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
        check_books(url, sender.acknowledged)
        assert waiting > 0
        assert [one.metric("storer_rebalances_total") for one in both] == rebalances
        assert [one.stop() for one in both] == [0, 0]


def test_a_storer_survives_the_loss_of_the_broker_that_leads_its_group(three_brokers, tmp_path, postgres, database):
    kafka, url = three_brokers, postgres.url(database)
    kafka.create_topic("lost.rejections", 1)
    topic = kafka.create_topic("lost", 6)
    sender = Sender(kafka, topic)
    with storers(tmp_path, kafka, topic, postgres.url(database, "collector")) as start:
        storer = start()
        with sender.sending(each=50):
            wait_stored(url, 100)
            (future,) = kafka.admin.describe_consumer_groups([topic]).values()
            coordinator = future.result(30).coordinator.id
            next(broker for broker in kafka.brokers if broker.number == coordinator).stop(signal.SIGKILL)
            before = len(sender.acknowledged)
            wait_until(lambda: len(sender.acknowledged) > before + 200, "the other brokers acknowledge")
        wait_stored(url, len(sender.acknowledged))
        check_books(url, sender.acknowledged)
        assert storer.process.poll() is None
        assert storer.stop() == 0
