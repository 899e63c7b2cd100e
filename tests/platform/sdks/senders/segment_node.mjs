// @segment/analytics-node
import { Analytics } from '@segment/analytics-node'
import { base, isDelivered, isGivenUp, key, report, trackAll, user } from './common.mjs'

const analytics = new Analytics({ writeKey: key, host: base, flushAt: 5, flushInterval: 500 })
analytics.on('error', () => {}) // the callbacks tell
await trackAll((n) =>
  analytics.track({ userId: user, event: 'Sent', properties: { n } }, (error, context) => {
    const failed = error ?? context?.failedDelivery()?.reason
    failed ? isGivenUp(n, failed.message ?? failed) : isDelivered(n)
  })
)
await analytics.closeAndFlush({ timeout: 60_000 })
report()
