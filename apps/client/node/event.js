// An event from what a program gives: checked, with its id and time.

import { randomBytes } from "node:crypto";

/** The collector's default limit for an event. */
const MAX_EVENT_BYTES = 64 * 1024;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * @param {string} userId
 * @param {string} eventType
 * @param {import("./index.js").Event["properties"]} properties
 * @param {import("./index.js").TrackOptions} options
 * @returns {{ id: string, line: string, bytes: number }} the event's id, its JSON, and how long that is
 */
export function makeEvent(userId, eventType, properties, { timestamp = new Date(), eventId, sessionId }) {
  if (!(timestamp instanceof Date) || Number.isNaN(timestamp.getTime())) throw new TypeError("timestamp: isn't a valid Date");
  if (eventId !== undefined && !(typeof eventId === "string" && UUID.test(eventId))) throw new TypeError("eventId: isn't a UUID");
  /** @type {Record<string, unknown>} */
  const event = {
    user_id: text("userId", userId, 200),
    event_type: text("eventType", eventType, 100),
    timestamp: timestamp.toISOString(),
    event_id: eventId ?? makeUuid7(),
  };
  if (sessionId !== undefined) event.session_id = text("sessionId", sessionId, 200);
  if (properties !== undefined) event.properties = object(properties);
  const line = JSON.stringify(event, requireFinite);
  const bytes = Buffer.byteLength(line);
  if (bytes > MAX_EVENT_BYTES) throw new RangeError(`properties: the event has ${bytes} bytes; ${MAX_EVENT_BYTES} are allowed`);
  return { id: String(event.event_id), line, bytes };
}

/** A UUIDv7 (RFC 9562): the time in milliseconds, then random bits. */
export function makeUuid7() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** @param {string} name @param {unknown} value @param {number} longest */
function text(name, value, longest) {
  if (typeof value !== "string") throw new TypeError(`${name}: is of type ${typeof value}, not string`);
  const length = [...value].length;
  if (length < 1 || length > longest) throw new RangeError(`${name}: has ${length} characters; 1 to ${longest} are allowed`);
  // eslint-disable-next-line no-control-regex
  if (/\u0000|\p{Surrogate}/u.test(value)) throw new RangeError(`${name}: has the character U+0000 or half a surrogate pair`);
  return value;
}

/** @param {unknown} value */
function object(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("properties: isn't an object");
  return value;
}

/** JSON.stringify would write null. @param {string} name @param {unknown} value */
function requireFinite(name, value) {
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError(`properties: ${name} is ${value}, which JSON doesn't have`);
  return value;
}
