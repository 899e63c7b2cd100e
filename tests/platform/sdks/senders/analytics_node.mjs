// analytics-node 6, Segment's SDK before @segment/analytics-node
import Analytics from 'analytics-node'
import { base, isDelivered, isGivenUp, key, report, trackAll, user, waitForAll } from './common.mjs'

const analytics = new Analytics(key, { host: base, flushAt: 5, flushInterval: 500, errorHandler: () => {} })
await trackAll((n) =>
  analytics.track({ userId: user, event: 'Sent', properties: { n } }, (error) =>
    error ? isGivenUp(n, error.message) : isDelivered(n)
  )
)
await analytics.flush()
await waitForAll(15_000)
report()
