"""Kafka: settings, the configuration of clients, and checks of a topic.

Only `settings` may be imported without the extra `kafka`; everything else imports confluent-kafka.
"""
