// @segment/analytics-next as its users load it: it asks cdnURL where to send.
import { AnalyticsBrowser } from '@segment/analytics-next'

const { base, key } = Object.fromEntries(new URLSearchParams(location.search))
const analytics = AnalyticsBrowser.load({ writeKey: key, cdnURL: base }, { integrations: { 'Segment.io': { protocol: 'http' } } })
await analytics.page('Docs', 'Pricing')
await analytics.identify('ann', { plan: 'pro' })
await analytics.track('Order Completed', { revenue: 20.5 })
document.title = 'done'
