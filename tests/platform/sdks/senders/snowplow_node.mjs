// @snowplow/node-tracker
import { buildSelfDescribingEvent, newTracker } from '@snowplow/node-tracker'
import { base, isDelivered, isGivenUp, key, report, trackAll, user, waitForAll } from './common.mjs'

const schema = 'iglu:com.example/Sent/jsonschema/1-0-0'
const numbers = (events) => events.map((event) => JSON.parse(event.ue_pr).data.data.n)
const tracker = newTracker(
  { namespace: 'shop', appId: 'shop', encodeBase64: false },
  {
    endpoint: base,
    customHeaders: { 'X-Write-Key': key },
    bufferSize: 5,
    onRequestSuccess: (events) => numbers(events).forEach(isDelivered),
    onRequestFailure: ({ events, status, message, willRetry }) => willRetry || numbers(events).forEach((n) => isGivenUp(n, `${status} ${message}`)),
  },
)
tracker.setUserId(user)
await trackAll((n) => tracker.track(buildSelfDescribingEvent({ event: { schema, data: { n } } })))
const again = setInterval(() => tracker.flush(), 1000) // it sends again when it is told to, or tracks another event
await waitForAll(120_000)
clearInterval(again)
report()
