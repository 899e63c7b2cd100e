// @rudderstack/analytics-js: it asks configUrl for the source's configuration before it sends anything.
import { RudderAnalytics } from '@rudderstack/analytics-js/bundled'

const { base, key } = Object.fromEntries(new URLSearchParams(location.search))
const analytics = new RudderAnalytics()
analytics.load(key, base, { configUrl: base })
analytics.page('Docs', 'Pricing')
analytics.identify('ann', { plan: 'pro' })
analytics.track('Order Completed', { revenue: 20.5 })
analytics.ready(() => {
  document.title = 'done'
})
