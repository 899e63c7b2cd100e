// posthog-node
import { PostHog } from 'posthog-node'
import { base, count, isDelivered, isGivenUp, key, report, trackAll, user } from './common.mjs'

const posthog = new PostHog(key, { host: base, flushAt: 5, flushInterval: 500 })
const delivered = new Set()
const errors = []
posthog.on('error', (error) => errors.push(error?.message ?? error))
posthog.on('flush', (messages) => messages.forEach((message) => delivered.add(message.properties.n)))
await trackAll((n) => posthog.capture({ distinctId: user, event: 'Sent', properties: { n } }))
await posthog.shutdown(60_000).catch((error) => errors.push(error?.message ?? error))
for (let n = 0; n < count; n++) delivered.has(n) ? isDelivered(n) : isGivenUp(n, errors.at(-1) ?? 'never flushed')
report()
