// @rudderstack/rudder-sdk-node
import RudderAnalytics from '@rudderstack/rudder-sdk-node'
import { base, isDelivered, isGivenUp, key, report, trackAll, user, waitForAll } from './common.mjs'

const client = new RudderAnalytics(key, { dataPlaneUrl: base, flushAt: 5, flushInterval: 500, errorHandler: () => {} })
await trackAll((n) =>
  client.track({ userId: user, event: 'Sent', properties: { n } }, (error) =>
    error ? isGivenUp(n, error.message) : isDelivered(n)
  )
)
await client.flush().catch(() => {})
await waitForAll(60_000)
report()
