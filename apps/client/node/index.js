// Sends events to a collector of Event Tracker: docs/clients/node.md.

import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

import { backoff, understand } from "./answer.js";
import { makeEvent } from "./event.js";

/** The collector's default limits for a request. If its limits are lower, it answers 413, and the batch is halved. */
const MAX_BATCH_EVENTS = 1000;
const MAX_BATCH_BYTES = 5 * 1024 * 1024;
const CLOSE_SECONDS = 5;
const MAX_TIMER_MILLISECONDS = 2 ** 31 - 1;
const MILLISECONDS_BETWEEN_WARNINGS = 10_000;

const compress = promisify(gzip);

/** @typedef {{ line: string, bytes: number }} Waiting */

export class Client {
  #url;
  #headers;
  #maxQueuedEvents;
  #maxBytes;
  #intervalSeconds;
  #timeoutSeconds;
  #onError;
  /** @type {Waiting[]} events that wait, and first those that are being sent */
  #queue = [];
  #bytes = 0;
  #counts = { delivered: 0, refused: 0, dropped: 0, retried: 0 };
  #sending = false;
  #flushing = 0;
  #closed = false;
  #stopped = new AbortController();
  /** @type {NodeJS.Timeout | undefined} until the next batch is sent */
  #timer;
  /** @type {Set<() => void>} called when nothing waits any more */
  #whenEmpty = new Set();
  #warnedAt = -Infinity;
  #untold = 0;
  #atExit = () => void this.close();

  /** @param {import("./index.js").ClientOptions} options */
  constructor({ url, writeKey, maxQueuedEvents = 10_000, maxBytes = 64 * 1024 * 1024, intervalSeconds = 1, timeoutSeconds = 30, onError }) {
    const parsed = typeof url === "string" && URL.canParse(url) ? new URL(url) : undefined;
    if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username || parsed.search || parsed.hash) {
      throw new TypeError("url: isn't the URL of a collector; one looks like http://127.0.0.1:8000");
    }
    if (writeKey !== undefined && !/^[!-~]+$/.test(writeKey)) throw new TypeError("writeKey: is empty, or has a character that keys don't have");
    for (const [name, value] of Object.entries({ maxQueuedEvents, maxBytes, timeoutSeconds })) {
      if (!(value > 0)) throw new RangeError(`${name}: is ${value}; it must be greater than 0`);
    }
    this.#url = `${parsed.href.replace(/\/+$/, "")}/events`;
    this.#headers = {
      "Content-Type": "application/x-ndjson",
      "Content-Encoding": "gzip",
      "User-Agent": `event-tracker-client node/${process.versions.node}`,
      ...(writeKey === undefined ? {} : { "X-Write-Key": writeKey }),
    };
    this.#maxQueuedEvents = maxQueuedEvents;
    this.#maxBytes = maxBytes;
    this.#intervalSeconds = intervalSeconds;
    this.#timeoutSeconds = timeoutSeconds;
    this.#onError = onError;
    process.once("beforeExit", this.#atExit);
  }

  /** @type {import("./index.js").Client["track"]} */
  track(userId, eventType, properties, options = {}) {
    const { id, line, bytes } = makeEvent(userId, eventType, properties, options);
    if (this.#closed) {
      this.#drop(line, "closed", "The client is closed.");
    } else if (this.#queue.length >= this.#maxQueuedEvents) {
      this.#drop(line, "queue_full", `${this.#queue.length} events wait already; ${this.#maxQueuedEvents} are allowed.`);
    } else if (this.#bytes + bytes > this.#maxBytes) {
      this.#drop(line, "queue_full", `${this.#bytes} bytes wait already; ${this.#maxBytes} are allowed.`);
    } else {
      this.#queue.push({ line, bytes });
      this.#bytes += bytes;
      this.#schedule();
    }
    return id;
  }

  /** @type {import("./index.js").Client["flush"]} */
  async flush(timeoutSeconds = Infinity) {
    this.#flushing += 1;
    this.#schedule();
    const isEmpty = await this.#empty(timeoutSeconds);
    this.#flushing -= 1;
    return isEmpty;
  }

  /** @type {import("./index.js").Client["close"]} */
  async close(timeoutSeconds = CLOSE_SECONDS) {
    process.off("beforeExit", this.#atExit);
    this.#closed = true;
    const isEmpty = await this.flush(timeoutSeconds);
    this.#stopped.abort();
    const left = this.#queue;
    this.#queue = [];
    for (const { line } of left) this.#drop(line, "closed", "The client was closed before the collector had it.");
    return isEmpty;
  }

  get stats() {
    return { queued: this.#queue.length, ...this.#counts };
  }

  /** @param {number} timeoutSeconds */
  async #empty(timeoutSeconds) {
    if (!this.#queue.length) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => end(false), Math.min(timeoutSeconds * 1000, MAX_TIMER_MILLISECONDS));
      const isEmpty = () => end(true);
      /** @param {boolean} empty */
      const end = (empty) => {
        clearTimeout(timer);
        this.#whenEmpty.delete(isEmpty);
        resolve(empty);
      };
      this.#whenEmpty.add(isEmpty);
    });
  }

  /** Send now what is to be sent now, otherwise later. */
  #schedule() {
    if (this.#sending || !this.#queue.length) return;
    if (this.#flushing || this.#queue.length >= MAX_BATCH_EVENTS) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      void this.#send();
    } else {
      // Waiting for more events mustn't keep the process: at its end, `beforeExit` sends them.
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        void this.#send();
      }, this.#intervalSeconds * 1000).unref();
    }
  }

  /** Send all that waits, one batch after the other. */
  async #send() {
    if (this.#sending) return;
    this.#sending = true;
    while (this.#queue.length && !this.#stopped.signal.aborted) await this.#deliver(this.#takeBatch());
    this.#sending = false;
    if (!this.#queue.length) for (const isEmpty of [...this.#whenEmpty]) isEmpty();
  }

  #takeBatch() {
    let number = 0;
    for (let bytes = 0; number < Math.min(this.#queue.length, MAX_BATCH_EVENTS); number += 1) {
      bytes += (this.#queue[number]?.bytes ?? 0) + 1;
      if (bytes > MAX_BATCH_BYTES) break;
    }
    return this.#queue.slice(0, number).map(({ line }) => line);
  }

  /**
   * Send the first events of the queue until the collector has answered for each, or the client is closed.
   * @param {string[]} lines
   */
  async #deliver(lines) {
    const answer = await this.#answer(lines);
    if (!answer || this.#stopped.signal.aborted) return;
    if (answer.kind === "refused" && answer.status === 413 && lines.length > 1) {
      const half = Math.floor(lines.length / 2);
      await this.#deliver(lines.slice(0, half));
      await this.#deliver(lines.slice(half));
      return;
    }
    for (const { bytes } of this.#queue.splice(0, lines.length)) this.#bytes -= bytes;
    lines.forEach((line, index) => {
      const errors = answer.kind === "settled" ? answer.errors.get(index) : [];
      if (!errors) {
        this.#counts.delivered += 1;
        return;
      }
      this.#counts.refused += 1;
      const { code, detail } = answer.kind === "refused" ? answer : /** @type {import("./index.js").EventError} */ (errors[0]);
      this.#report({ event: JSON.parse(line), code, detail, status: answer.status, errors });
    });
  }

  /**
   * Send events until there is an answer; undefined if the client is closed meanwhile.
   * @param {string[]} lines
   */
  async #answer(lines) {
    const body = await compress(lines.join("\n"));
    for (let attempt = 0; !this.#stopped.signal.aborted; attempt += 1) {
      if (attempt) this.#counts.retried += 1;
      const answer = await this.#post(body, lines.length);
      if (answer.kind !== "unanswered") return answer;
      await this.#wait(Math.max(answer.waitSeconds, backoff(attempt)));
    }
    return undefined;
  }

  /** @param {Buffer} body @param {number} sent */
  async #post(body, sent) {
    try {
      const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(this.#timeoutSeconds * 1000)]);
      const answer = await fetch(this.#url, { method: "POST", headers: this.#headers, body, redirect: "manual", signal });
      return understand(answer.status, answer.headers, await answer.text(), sent);
    } catch (error) {
      return { kind: /** @type {const} */ ("unanswered"), why: String(error), waitSeconds: 0 };
    }
  }

  /** Wait, without keeping the process: at its end, `beforeExit` closes the client. @param {number} seconds */
  async #wait(seconds) {
    await sleep(seconds * 1000, undefined, { ref: false, signal: this.#stopped.signal }).catch(() => {});
  }

  /** @param {string} line @param {string} code @param {string} detail */
  #drop(line, code, detail) {
    this.#counts.dropped += 1;
    this.#report({ event: JSON.parse(line), code, detail, errors: [] });
  }

  /** @param {import("./index.js").UndeliveredEvent} undelivered */
  #report(undelivered) {
    if (!this.#onError) {
      this.#warn(undelivered);
      return;
    }
    try {
      this.#onError(undelivered);
    } catch (error) {
      console.error("onError failed:", error);
    }
  }

  /** @param {import("./index.js").UndeliveredEvent} undelivered */
  #warn({ code, detail }) {
    this.#untold += 1;
    if (performance.now() - this.#warnedAt < MILLISECONDS_BETWEEN_WARNINGS) return;
    console.warn(`event-tracker-client: ${this.#untold} events won't be delivered; the last one for this reason: ${detail} (${code})`);
    this.#warnedAt = performance.now();
    this.#untold = 0;
  }
}
