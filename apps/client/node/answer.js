// What an answer of the collector says about the events of a request (docs/api.md, the third promise).

const FIRST_WAIT_SECONDS = 0.5;
const MAX_WAIT_SECONDS = 30;

/** A Retry-After beyond that is a mistake, which must not keep events back for days. */
const MAX_RETRY_AFTER_SECONDS = 3600;

/**
 * @typedef {{ kind: "settled", status: number, errors: Map<number, import("./index.js").EventError[]> }} Settled
 *   the collector has answered for every event: those in `errors` are refused
 * @typedef {{ kind: "refused", status: number, code: string, detail: string }} Refused
 *   the request is refused as a whole, and would be again
 * @typedef {{ kind: "unanswered", why: string, waitSeconds: number }} Unanswered
 *   nothing is known: the same request is to be sent again
 */

/**
 * @param {number} status
 * @param {Headers} headers
 * @param {string} body
 * @param {number} sent how many events the request had
 * @returns {Settled | Refused | Unanswered}
 */
export function understand(status, headers, body, sent) {
  if (status === 408 || status === 429 || status >= 500) {
    return { kind: "unanswered", why: `it answers ${status}`, waitSeconds: retryAfter(headers.get("retry-after")) };
  }
  const answer = read(body);
  const errors = byIndex(answer.errors, sent);
  if (status >= 200 && status < 300) {
    // Some proxies answer in the collector's place. Sending again is safe, and taking this for an acknowledgement isn't.
    if (answer.received === sent) return { kind: "settled", status, errors };
    return { kind: "unanswered", why: `the ${status} isn't a collector's answer to these events`, waitSeconds: 0 };
  }
  if (status === 422 && errors.size === sent) return { kind: "settled", status, errors };
  if (status < 400) {
    const where = headers.get("location") ?? "another URL";
    return { kind: "refused", status, code: "redirected", detail: `The collector is at ${where}: use that one.` };
  }
  const detail = String(answer.detail ?? `The server answers ${status}; is that a collector?`);
  return { kind: "refused", status, code: String(answer.code ?? status), detail };
}

/** Seconds to wait: they double with each attempt. Half of them is random. @param {number} attempt */
export function backoff(attempt) {
  return Math.min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** Math.min(attempt, 16)) * (0.5 + Math.random() / 2);
}

/** Seconds in a Retry-After header: a number or a date. 0 if there is no valid one. @param {string | null} header */
function retryAfter(header) {
  if (!header) return 0;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? 0 : Math.min(Math.max(0, seconds), MAX_RETRY_AFTER_SECONDS);
}

/** @param {string} body @returns {Record<string, unknown>} */
function read(body) {
  try {
    const answer = JSON.parse(body);
    return typeof answer === "object" && answer !== null ? answer : {};
  } catch {
    return {};
  }
}

/**
 * The errors of each event, with pointers relative to the event: `/3/user_id` becomes `/user_id` of event 3.
 * @param {unknown} errors @param {number} sent
 */
function byIndex(errors, sent) {
  /** @type {Map<number, import("./index.js").EventError[]>} */
  const found = new Map();
  for (const error of Array.isArray(errors) ? errors : []) {
    const index = error?.index;
    if (!Number.isInteger(index) || index < 0 || index >= sent) continue;
    const prefix = `/${index}`;
    const pointer = String(error.pointer ?? "");
    const relative = pointer.startsWith(prefix) ? pointer.slice(prefix.length) : pointer;
    found.set(index, [...(found.get(index) ?? []), { ...error, pointer: relative }]);
  }
  return found;
}
