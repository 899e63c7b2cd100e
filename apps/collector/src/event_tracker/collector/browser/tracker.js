/*! Event Tracker: docs/browser.md */
// The browser's side of POST /events. An event is written to localStorage when it happens and removed when the collector
// has answered for it; in between it may be sent any number of times, always with the same identity.
(() => {
  "use strict";

  const SECOND = 1000;
  const MINUTE = 60 * SECOND;
  const HOUR = 60 * MINUTE;

  const GATHER = SECOND; // what happens within it goes out in one request
  const LOOK_AGAIN = 5 * SECOND;
  const SESSION_GAP = 30 * MINUTE;
  const REFUSED_PAUSE = 5 * MINUTE; // a key may be mended, or a proxy that leads elsewhere
  const LONGEST_BACKOFF = 5 * MINUTE;
  const LONGEST_PAUSE = HOUR; // one that ends later was written by a clock that was wrong
  const OLDEST = 7 * 24 * HOUR;
  const ADOPTED = MINUTE; // a page that hasn't sent an event by then may have crashed
  const GIVE_UP = 30 * SECOND;
  const CLOCK_TOLERANCE = 2 * SECOND; // a Date header counts whole seconds

  const MOST_EVENTS = 1000;
  const MOST_CHARACTERS = 1e6; // of the 5 million that a site has
  // Browsers let 64 KiB of keepalive bodies be in flight: a batch, and the beacon of a page that is left meanwhile.
  const BATCH_BYTES = 40_000;
  const BEACON_BYTES = 20_000;
  const MOST_LINKED = 9; // users of one browser without a reset
  const LONGEST_ADDRESS = 2000; // characters
  const LONGEST_VALUE = 500; // of a campaign: ten of them, whatever they hold, leave a view far below BATCH_BYTES
  const TIMESTAMP_LENGTH = 24; // as toISOString writes it; an event that waits is as long, so it never outgrows a full store

  const warn = (error) => console.warn("tracker:", error);

  // A module has no current script.
  const { src = "", dataset } =
    document.currentScript ||
    document.querySelector("script[data-write-key]") ||
    document.querySelector("script[src*='/tracker']") ||
    {};

  // Of the script's URL (`write_key`), and of the tag (`data-write-key`).
  const options = {};
  for (const [name, value] of new URLSearchParams(src.split(/[?#]/)[1])) {
    options[name.replace(/[-_](.)/g, (_, letter) => letter.toUpperCase())] = value;
  }
  Object.assign(options, dataset);

  let url;
  try {
    url = new URL(options.endpoint || new URL("events", src), document.baseURI);
  } catch (error) {
    return warn(error);
  }
  if (options.writeKey) url.searchParams.set("write_key", options.writeKey);
  const endpoint = url.href;

  // Several trackers of a page, each with its own endpoint or key: window.tracker is the first's, the others have names of their
  // own. (An element with the id "tracker" would be window.tracker too, but can't track; a stub, which has `q`, is none yet.)
  const there = window.tracker;
  if (there?.track && !there.q && [endpoint, undefined].includes(there.endpoint)) return;
  let own = "tracker" + (options.namespace ? "-" + options.namespace : "");
  const taken = () => window[own]?.endpoint;
  if (taken() && taken() !== endpoint) own = "tracker-" + options.writeKey;
  if (taken()) return;

  // ---- What is stored: JSON under names that begin with PREFIX. Each event has a name of its own, so that tabs never
  // overwrite what another one wrote.

  const PREFIX = own + ":";
  const EVENT = "event:"; // then the browser's time in milliseconds, base 36, 9 digits; then the event_id

  // What localStorage has no room for, or everything where there is none: for this page only.
  const memory = {};
  let local = {};
  try {
    local = localStorage || local;
  } catch {
    // The browser denies it.
  }
  const store = options.storage === "none" ? {} : local;

  // Nothing is recorded or sent. The flag is the whole site's, whatever the tag says.
  const OPTED_OUT = "tracker_opt_out";
  const silent = () =>
    local[OPTED_OUT] || (options.respectDnt === "true" && (navigator.doNotTrack === "1" || navigator.globalPrivacyControl));

  const stored = (name) => memory[PREFIX + name] ?? store[PREFIX + name];

  const parse = (text) => {
    try {
      return JSON.parse(text);
    } catch {
      // Not there, or not ours.
    }
  };

  const read = (name) => parse(stored(name));

  const write = (name, value) => {
    if (silent()) return;
    const text = JSON.stringify(value);
    try {
      store[PREFIX + name] = text;
      delete memory[PREFIX + name];
    } catch {
      memory[PREFIX + name] = text;
    }
  };

  const forget = (name) => {
    delete store[PREFIX + name];
    delete memory[PREFIX + name];
  };

  const namesFrom = (beginning) =>
    [...Object.keys(store), ...Object.keys(memory)]
      .filter((name) => name.startsWith(PREFIX + beginning))
      .map((name) => name.slice(PREFIX.length))
      .sort();

  const forgetAll = () => namesFrom("").forEach(forget);

  if (silent()) forgetAll();

  // The names of the events that wait, oldest first.
  const waiting = () => (silent() ? [] : namesFrom(EVENT));

  const age = (name) => Date.now() - parseInt(name.slice(EVENT.length, EVENT.length + 9), 36);

  // Drop what is too old or too much, the oldest first.
  const trim = () => {
    let characters = 0;
    waiting()
      .reverse()
      .forEach((name, index) => {
        characters += (stored(name) || "").length;
        if (index >= MOST_EVENTS || characters > MOST_CHARACTERS || age(name) > OLDEST) forget(name);
      });
  };

  // ---- Who, and when

  // crypto.randomUUID isn't there on pages without TLS.
  const uuid = () =>
    "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) =>
      (digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (digit / 4)))).toString(16),
    );

  const user = () => {
    let id = read("user") || read("anonymous");
    if (!id) write("anonymous", (id = uuid()));
    return id;
  };

  // Without the query: it may hold what is nobody's business.
  const bare = (address) => address.split(/[?#]/)[0].slice(0, LONGEST_ADDRESS);

  let from = document.referrer;

  // `referrer` is what another host's page led to the first page of: a visit that begins later on a page has none.
  const session = (now) => {
    let [id, seen, referrer] = read("session") || [];
    if (!id || Math.abs(now - seen) > SESSION_GAP) {
      id = uuid();
      referrer = from && new URL(from).host !== here().host ? bare(from) : undefined;
    }
    from = "";
    write("session", [id, now, referrer]);
    return [id, referrer];
  };

  // `clock` is the session in which the server's clock was last asked, and by how much it is ahead of the browser's.
  const ahead = () => (read("clock") || [])[1] || 0;

  const corrected = (time) => new Date(+time + ahead()).toISOString();

  const visit = () => (read("session") || ["none"])[0];

  const knowsClock = () => (read("clock") || [])[0] === visit();

  const learnClock = (date, began) => {
    const ended = Date.now();
    const found = Date.parse(date) + SECOND / 2 - (began + ended) / 2;
    const tolerance = CLOCK_TOLERANCE + (ended - began) / 2;
    let known = ahead();
    if (Math.abs(found - known) > tolerance) known = Math.abs(found) > tolerance ? Math.round(found) : 0;
    write("clock", [visit(), known]);
  };

  // ---- Recording

  // A text or number that a call was given. The text of anything else, such as a promise, would be the same for everybody.
  const usable = (value, call, form = /./s) => {
    if ((/^(string|bigint)$/.test(typeof value) || Number.isFinite(value)) && form.test(value)) return String(value);
    throw new Error(call + " can't take this " + typeof value);
  };

  const mine = new Set(); // names of events of this page
  let last = 0;

  const track = (type, properties) => {
    const event_type = usable(type, "track");
    // No two events of a page have one time: their order would be lost. But a clock that is put back is believed.
    let now = Date.now();
    if (now <= last && last - now < SECOND) now = last + 1;
    last = now;
    const [session_id] = session(now);
    const event = {
      user_id: user(),
      event_type,
      // Where the server's clock isn't known yet: digits until it is, or until the event is sent for the first time.
      timestamp: knowsClock() ? corrected(now) : String(now).padEnd(TIMESTAMP_LENGTH),
      event_id: uuid(),
      session_id,
      properties: navigator.webdriver ? { webdriver: true, ...properties } : properties || {},
    };
    if (size(JSON.stringify(event)) > BATCH_BYTES) throw new Error("an event is too large: " + event_type);
    const name = EVENT + now.toString(36).padStart(9, "0") + event.event_id;
    write(name, event);
    mine.add(name);
    trim();
    later(GATHER);
  };

  const identify = (given) => {
    // As the collector wants it, which would refuse every event from now on.
    const id = usable(given, "identify", /^[^\0\ud800-\udfff]{1,200}$/u);
    write("user", id);
    // What was recorded before is this user's, too: said once, though pages may identify again and again.
    const anonymous_id = read("anonymous");
    const linked = read("linked") || [];
    if (!anonymous_id || linked.includes(id)) return;
    write("linked", [id, ...linked].slice(0, MOST_LINKED));
    track("identify", { anonymous_id });
  };

  const reset = () => ["user", "anonymous", "linked", "session"].forEach(forget);

  const optOut = (out = true) => {
    forgetAll();
    if (out) local[OPTED_OUT] = 1;
    else delete local[OPTED_OUT];
  };

  // ---- Sending

  let timer;
  let busy = false;
  let flying = []; // names of the events that are in flight

  // In bytes, with a comma.
  const size = (text) => new TextEncoder().encode(text).length + 1;

  // Names of events that fit into so many bytes. What another page holds, which is alone to fix its timestamp, is left to it.
  const pick = (bytes, among) => {
    const picked = [];
    for (const name of among) {
      const event = read(name) || {};
      if (!mine.has(name) && /^\d+ /.test(event.timestamp) && age(name) < ADOPTED) continue;
      bytes -= size(JSON.stringify(event));
      if (bytes < 0) break;
      picked.push(name);
    }
    return picked;
  };

  // A request's body. A timestamp is fixed before its event is sent for the first time, and never changed again.
  const body = (names) => {
    const events = [];
    for (const name of names) {
      const event = read(name);
      if (!event) continue;
      if (+event.timestamp) {
        event.timestamp = corrected(event.timestamp);
        write(name, event);
      }
      events.push(event);
    }
    // What the collector refuses in a text: NUL, and half an emoji, which JSON.stringify writes as escapes.
    return JSON.stringify(events).replace(/\\(u0000|ud[89a-f]..|.)/g, (escape) => (escape[2] ? "\ufffd" : escape));
  };

  const pauseLeft = () => {
    const left = ((read("pause") || [])[0] || 0) - Date.now();
    return left > LONGEST_PAUSE ? 0 : left;
  };

  const pause = (milliseconds, status, failures) =>
    write("pause", [Date.now() + Math.min(milliseconds, LONGEST_PAUSE), status, failures]);

  const backOff = (status, retryAfter) => {
    const failures = ((read("pause") || [])[2] || 0) + 1;
    const most = Math.min(LONGEST_BACKOFF, SECOND * 2 ** (failures - 1));
    pause(Math.max(most * (0.5 + Math.random() / 2), (+retryAfter || 0) * SECOND), status, failures);
  };

  // Send what waits, batch by batch, until nothing does or there is to be a pause.
  const send = async () => {
    for (;;) {
      trim();
      const names = pick(BATCH_BYTES, waiting());
      if (!names.length || pauseLeft() > 0) return;
      // An empty batch, once a session: its answer says what time it is before timestamps are fixed.
      flying = knowsClock() ? names : [];
      const began = Date.now();
      let status = 0;
      let retryAfter, collectors;
      try {
        const answer = await fetch(url, {
          method: "POST",
          body: body(flying), // a text is text/plain: no preflight
          keepalive: true,
          credentials: "omit",
          signal: AbortSignal.timeout?.(GIVE_UP),
        });
        status = answer.status;
        retryAfter = answer.headers.get("Retry-After");
        collectors = /json/.test(answer.headers.get("Content-Type"));
        learnClock(answer.headers.get("Date"), began);
        if (status === 207 || status >= 400) console.warn("tracker:", status, await answer.text());
      } catch {
        // No network, no collector, or a page whose origin isn't allowed: a page can't tell these apart.
      }
      if (!status || status === 408 || status === 429 || status >= 500) {
        backOff(status, retryAfter);
      } else if (!collectors || (status > 299 && ![400, 413, 422].includes(status))) {
        // Not the collector's word on these events.
        pause(REFUSED_PAUSE, status, 0);
      } else {
        forget("pause");
        for (const name of flying) {
          forget(name);
          mine.delete(name);
        }
      }
      flying = [];
    }
  };

  // One request at a time, from all tabs together where the browser has locks: not without TLS, and where it denies storage
  // it denies them too.
  const flush = async () => {
    clearTimeout(timer);
    timer = 0;
    if (busy) return;
    busy = true;
    try {
      await navigator.locks.request(PREFIX, send);
    } catch {
      await send().catch(warn);
    }
    busy = false;
    if (waiting().length) later(Math.max(LOOK_AGAIN, pauseLeft()));
  };

  const later = (milliseconds) => {
    timer ||= setTimeout(flush, milliseconds);
  };

  // A page that is left sends what it hasn't sent. There is no answer, so the events stay, and another page sends them again;
  // what doesn't fit or has to wait is given up to any page, by blanks before the digits.
  const leave = () => {
    const left = waiting().filter((name) => mine.has(name) && !flying.includes(name));
    const names = pauseLeft() > 0 ? [] : pick(flying.length ? BEACON_BYTES : BATCH_BYTES + BEACON_BYTES, left);
    if (names.length) navigator.sendBeacon(url, body(names));
    for (const name of left) {
      const event = read(name);
      if (+event?.timestamp) write(name, { ...event, timestamp: event.timestamp.trim().padStart(TIMESTAMP_LENGTH) });
    }
  };

  const backOnline = () => {
    if (!(read("pause") || [])[1]) forget("pause"); // what the collector itself asked for holds
    flush();
  };

  // ---- What is recorded by itself

  const words = (text) => text?.match(/[^\s,]+/g) || [];

  // A frame without an address (srcdoc) is within the page whose address it takes as its base, and no page itself.
  const within = () => location.protocol === "about:";
  const here = () => (within() ? new URL(document.baseURI) : location);

  // Without escapes but of what means something in a URL, can't be seen, or isn't UTF-8: as logs of servers name the page.
  const readable = (path) =>
    path.replace(/(%[\da-f]{2})+/gi, (escaped) => {
      try {
        return decodeURIComponent(escaped).replace(/[\0-\x1f\x7f-\x9f/?#%\u2028\u2029]/g, encodeURIComponent);
      } catch {
        return escaped.toUpperCase();
      }
    });

  const page = () => {
    const { pathname, search, hash } = here();
    const given = new URLSearchParams(search);
    const kept = words(options.pageParameters).flatMap((name) => given.getAll(name).map((value) => [name, value]));
    const route = /^#[!/]/.test(hash) ? hash.split("?")[0] : "";
    return (readable(pathname) + (kept[0] ? "?" + new URLSearchParams(kept) : "") + route).slice(0, LONGEST_ADDRESS);
  };

  let shown;
  const view = () => {
    if (within() || page() === shown) return;
    // A route of a single-page app gets its title after it is shown, so it has none here.
    const title = shown ? "" : document.title.slice(0, LONGEST_VALUE);
    shown = page();
    const campaign = [...new URLSearchParams(location.search)]
      .filter(([name]) => /^utm_[\w.-]{1,30}$/.test(name))
      .slice(0, 10)
      .map(([name, value]) => [name, [...value].slice(0, LONGEST_VALUE).join("")]);
    track("page_view", {
      page: shown,
      host: location.host,
      title: title || undefined,
      referrer: session(Date.now())[1] || undefined,
      ...Object.fromEntries(campaign),
    });
  };

  // A number or a boolean, where the site says that it is one and JSON can say it.
  const typed = (name, text) => {
    const value = words(options.typedProperties).includes(name) ? parse(text) : text;
    return typeof value === "boolean" || (Number.isFinite(value) && Math.abs(value) < 2 ** 53) ? value : text;
  };

  const click = (happened) => {
    if (happened.button > 1) return;
    const path = happened.composedPath(); // `closest` would end at the edge of a web component
    const marked = path.find((node) => node.dataset?.track);
    if (marked) {
      const properties = { page: page() };
      for (const { name, value } of marked.attributes) {
        if (name.startsWith("data-track-")) properties[name.slice(11)] = typed(name.slice(11), value);
      }
      track(marked.dataset.track, properties);
    }
    const link = path.find((node) => node.host && node.href);
    if (link && /^http/.test(link.protocol) && link.host !== here().host) {
      track("outbound_click", { page: page(), host: link.host, url: bare(link.href) });
    }
  };

  // Nothing that goes wrong here may break the page.
  const safely =
    (action) =>
    (...given) => {
      try {
        action(...given);
      } catch (error) {
        warn(error);
      }
    };

  const watch = () => {
    for (const name of ["pushState", "replaceState"]) {
      const original = history[name];
      history[name] = function (...given) {
        original.apply(this, given);
        safely(view)();
      };
    }
    addEventListener("popstate", safely(view));
    window.navigation?.addEventListener("currententrychange", safely(view));
    addEventListener(
      "pageshow",
      safely(({ persisted }) => {
        if (!persisted) return;
        shown = 0; // come back to: seen again
        view();
      }),
    );
    for (const name of ["click", "auxclick"]) document.addEventListener(name, safely(click), true);
  };

  const start = () => {
    const auto = options.auto !== "false";
    if (auto) watch();
    started = true;
    // The page was seen before anything was done on it; but who sees it may be said already.
    for (const [name, given] of queue) {
      if (auto && name === "track") safely(view)();
      tracker[name]?.(...given);
    }
    if (auto) safely(view)();
    addEventListener("pagehide", safely(leave));
    addEventListener("online", safely(backOnline));
    // A phone may end a page in the background without telling it.
    document.addEventListener("visibilitychange", () => document.hidden && flush());
    later(GATHER);
  };

  // Calls that were made before the script was there (of a stub), or before anyone asks for a page that is made ready.
  const queue = there?.q || [];
  let started = false;
  const tracker = { endpoint };
  for (const [name, call] of Object.entries({ track, identify, reset, optOut })) {
    tracker[name] = (...given) => void (started ? safely(call)(...given) : queue.push([name, given]));
  }
  window[own] = tracker;
  if (!there?.endpoint) window.tracker = tracker;
  // A page that is made ready before anyone asks for it isn't seen yet.
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
})();
