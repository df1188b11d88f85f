/** A clock that Server-Sent Events drive, and a log that shows how the browser reconnects. */

import { accepted } from "./streams.js";

const LOG_LENGTH = 100;

const element = (id) => document.getElementById(id);
const counts = { received: 0, "caught-up": 0, missing: 0, reconnected: 0 };
let isInOrder = true; // Whether each tick came once, and after the one before it.
let lastId = null; // Of the last tick that came.
let openedAt = 0; // The tick of the moment in which the server opened the stream.
let isOpen = false;
let isResuming = false; // From the loss of the connection to the first tick that is not late.

const source = new EventSource(element("clock").dataset.ticksUrl);

source.addEventListener("opened", (event) => {
  const opened = JSON.parse(event.data);
  openedAt = opened.now;
  isOpen = true;
  show("open", "Connected");
  element("drop").disabled = false;
  if (isResuming) {
    count("reconnected");
    log("resumed", `The browser is back, with Last-Event-ID: ${opened.last_event_id || "none"}`);
  }
});

source.addEventListener("tick", (event) => {
  const id = Number(event.lastEventId);
  const isLate = isResuming && id <= openedAt;
  count("received");
  count("caught-up", isLate ? 1 : 0);
  if (lastId !== null) compare(id, lastId);
  if (isResuming && !isLate) conclude();
  lastId = id;
  const time = new Date(JSON.parse(event.data).time);
  turnHands(time);
  log(isLate ? "late" : "tick", isLate ? "caught up on" : "live", { id, time });
});

// Comes when the connection is lost; with data, when the server says that it has failed.
source.addEventListener("error", (event) => {
  element("drop").disabled = true;
  if (event.data) log("dropped", `The server says: ${JSON.parse(event.data).error}`);
  if (source.readyState === EventSource.CLOSED) {
    show("failed", "Disconnected for good. Reload the page to try again.");
    return;
  }
  show("waiting", "Connection lost. The browser will reconnect …");
  if (isOpen && lastId !== null) log("dropped", `The connection is lost after ${lastId}`);
  isOpen = false;
  isResuming = lastId !== null;
});

element("drop-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  element("drop").disabled = true;
  const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value };
  try {
    await accepted(await fetch(form.action, { method: "POST", headers }));
  } catch (error) {
    show("failed", error.message);
    element("drop").disabled = false;
  }
});

function compare(id, previous) {
  count("missing", Math.max(0, id - previous - 1));
  if (id <= previous) isInOrder = false;
}

/** Says what became of the ticks that came while the browser was away. */
function conclude() {
  isResuming = false;
  const verdict = element("verdict");
  const isWhole = counts.missing === 0 && isInOrder;
  verdict.hidden = false;
  verdict.dataset.state = isWhole ? "good" : "bad";
  if (isWhole) verdict.textContent = `No gap: all ${counts.received} ticks came, once and in order.`;
  else if (!isInOrder) verdict.textContent = "A tick came twice, or out of order.";
  else verdict.textContent = `A gap: ${counts.missing} ticks were too old to catch up on.`;
}

function turnHands(time) {
  const seconds = time.getHours() * 3600 + time.getMinutes() * 60 + time.getSeconds();
  element("second").style.rotate = `${seconds * 6}deg`;
  element("minute").style.rotate = `${seconds / 10}deg`;
  element("hour").style.rotate = `${seconds / 120}deg`;
  element("time").textContent = clockTime(time);
}

function show(state, text) {
  element("status").dataset.state = state;
  element("status").textContent = text;
}

function count(name, step = 1) {
  counts[name] += step;
  element(name).textContent = counts[name];
}

function log(kind, text, tick = null) {
  const row = document.createElement("li");
  row.dataset.kind = kind;
  if (tick) {
    row.dataset.id = tick.id;
    row.append(cell("code", tick.id), cell("time", clockTime(tick.time)));
  }
  row.append(cell("span", text));
  element("log").prepend(row);
  if (element("log").children.length > LOG_LENGTH) element("log").lastElementChild.remove();
}

function cell(tag, text) {
  const child = document.createElement(tag);
  child.textContent = text;
  return child;
}

function clockTime(time) {
  return time.toLocaleTimeString("en-GB");
}
