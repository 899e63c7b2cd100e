"""Three brokers, of which one is lost: what was acknowledged is stored once."""

import signal

from storers import Sender, check_books, storers, wait_stored
from waiting import wait_until


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
