// The client for Node.js as the contract's runner drives it.

import { createInterface } from "node:readline";

import { Client } from "../../node/index.js";

const client = new Client({
  url: process.env.BASE_URL ?? "",
  writeKey: process.env.WRITE_KEY,
  timeoutSeconds: Number(process.env.TIMEOUT_SECONDS),
  onError: ({ event }) => console.log(JSON.stringify({ given_up: event.properties?.n })),
});
for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  client.track(call.user_id, call.event_type, call.properties);
}
await client.close(60);
