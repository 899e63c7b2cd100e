// @opentelemetry/exporter-logs-otlp-http: log records with an event name, as JSON
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { base, isDelivered, isGivenUp, key, report, trackAll, user, waitForAll } from './common.mjs'

const exporter = new OTLPLogExporter({ url: `${base}/v1/logs`, headers: { authorization: `Bearer ${key}` } })
const telling = {
  export: (records, done) =>
    exporter.export(records, (result) => {
      for (const { attributes } of records) {
        result.code === 0 ? isDelivered(attributes.n) : isGivenUp(attributes.n, result.error?.message ?? result.code)
      }
      done(result)
    }),
  shutdown: () => exporter.shutdown(),
  forceFlush: () => exporter.forceFlush(),
}
const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter: telling, scheduledDelayMillis: 500 })] })
const logger = provider.getLogger('shop')
await trackAll((n) => logger.emit({ eventName: 'Sent', timestamp: Date.now(), attributes: { 'user.id': user, n } }))
await provider.forceFlush().catch(() => {})
await waitForAll(30_000)
report()
