// What every sender does: track COUNT events, one each PAUSE_MS, and say at the end what became of each.
export const base = process.env.BASE_URL
export const key = process.env.WRITE_KEY
export const user = process.env.SENDER
export const count = +process.env.COUNT

const pause = +process.env.PAUSE_MS
const delivered = new Set()
const givenUp = new Map()

export const isDelivered = (n) => delivered.add(n)
export const isGivenUp = (n, reason) => givenUp.set(n, String(reason))

export async function trackAll(track) {
  for (let n = 0; n < count; n++) {
    track(n)
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

// Some SDKs' `flush` doesn't wait for requests that are being retried.
export async function waitForAll(milliseconds) {
  const end = Date.now() + milliseconds
  while (delivered.size + givenUp.size < count && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 100))
}

export function report() {
  console.log(JSON.stringify({ delivered: [...delivered], given_up: Object.fromEntries(givenUp) }))
  process.exit(0)
}
