"""opentelemetry-exporter-otlp-proto-http: log records with an event name, as protobuf"""

import time

from common import BASE, KEY, USER, given_up, report, track_all
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult


class TellingExporter(OTLPLogExporter):
    """Notes what it gives up."""

    def export(self, batch):
        result = super().export(batch)
        if result is not LogRecordExportResult.SUCCESS:
            given_up.update({one.log_record.attributes["n"]: "the export failed" for one in batch})
        return result


exporter = TellingExporter(endpoint=f"{BASE}/v1/logs", headers={"authorization": f"Bearer {KEY}"})
provider = LoggerProvider()
provider.add_log_record_processor(BatchLogRecordProcessor(exporter, schedule_delay_millis=500))
logger = provider.get_logger("shop")
track_all(
    lambda n: logger.emit(LogRecord(timestamp=time.time_ns(), event_name="Sent", attributes={"user.id": USER, "n": n}))
)
provider.force_flush()
provider.shutdown()
report()
