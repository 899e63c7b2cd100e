/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined };

/** An event, as it is sent. */
export interface Event {
  readonly user_id: string;
  readonly event_type: string;
  /** RFC 3339 with an offset. */
  readonly timestamp: string;
  readonly event_id: string;
  readonly session_id?: string;
  readonly properties?: { readonly [name: string]: Json | undefined };
}

/** What the collector says about a refused event (docs/api.md). */
export interface EventError {
  readonly index: number;
  /** A JSON Pointer into the event. */
  readonly pointer: string;
  readonly code: string;
  readonly detail: string;
}

/** The collector's answer to a batch. */
export interface BatchAnswer {
  readonly received: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly accepted?: number;
  readonly expired?: number;
  readonly errors?: readonly EventError[];
  readonly warnings?: readonly EventError[];
}

/** An event that won't be sent any more. */
export interface UndeliveredEvent {
  readonly event: Event;
  /** `queue_full` or `closed`; or the collector's, such as `schema_violation` or `invalid_key`. */
  readonly code: string;
  readonly detail: string;
  /** Of the collector's answer; undefined if it never refused the event. */
  readonly status?: number;
  readonly errors: readonly EventError[];
}

export interface Stats {
  /** Events that wait, with those that are being sent. */
  readonly queued: number;
  /** Events that the collector has stored, knew already, or let expire. */
  readonly delivered: number;
  readonly refused: number;
  /** Events that weren't sent, since the queue was full or the client was closed. */
  readonly dropped: number;
  /** Requests that were sent again. */
  readonly retried: number;
}

export interface ClientOptions {
  /** Of the collector, without `/events`. */
  url: string;
  /** Of the source; not needed where the collector doesn't require one. */
  writeKey?: string;
  /** Events that may wait; a further one is dropped and reported. 10,000 by default. */
  maxQueuedEvents?: number;
  /** Bytes of events that may wait. 64 MiB by default. */
  maxBytes?: number;
  /** How long an event may wait for others to fill its batch. 1 by default. */
  intervalSeconds?: number;
  /** How long to wait for an answer. 30 by default. */
  timeoutSeconds?: number;
  /** Called with each event that won't be delivered; otherwise a warning goes to the console, at most every ten seconds. */
  onError?: (undelivered: UndeliveredEvent) => void;
}

export interface TrackOptions {
  /** Otherwise now. */
  timestamp?: Date;
  /** A UUID; otherwise a new UUIDv7. */
  eventId?: string;
  sessionId?: string;
}

/** Sends events to a collector, in the background. */
export class Client {
  /** Throws TypeError or RangeError if an option can't be what it is to be. */
  constructor(options: ClientOptions);

  /**
   * Queue an event, and return its id at once. It is sent later, as often as needed, and stored once.
   * Throws TypeError or RangeError if an argument can't be part of an event; never for the network or the collector.
   */
  track(userId: string, eventType: string, properties?: { readonly [name: string]: Json | undefined }, options?: TrackOptions): string;

  /** Send what waits, and wait until the collector has answered for it. False if it hasn't after so many seconds. */
  flush(timeoutSeconds?: number): Promise<boolean>;

  /** Flush, for 5 seconds by default, and accept no more events. What is left then is reported as `closed`. */
  close(timeoutSeconds?: number): Promise<boolean>;

  /** What became of the events so far. */
  readonly stats: Stats;
}
