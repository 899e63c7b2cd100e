// @amplitude/analytics-node
import * as amplitude from '@amplitude/analytics-node'
import { base, isDelivered, isGivenUp, key, report, trackAll, user, waitForAll } from './common.mjs'

await amplitude.init(key, { serverUrl: `${base}/2/httpapi`, flushIntervalMillis: 500, logLevel: 0 }).promise
await trackAll((n) =>
  amplitude.track('Sent', { n }, { user_id: user }).promise.then(({ code, message }) => (code === 200 ? isDelivered(n) : isGivenUp(n, `${code} ${message}`))),
)
await waitForAll(120_000)
report()
