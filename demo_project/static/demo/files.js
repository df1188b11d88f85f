/** A folder that is watched and added to, and a melody to jump about in. */

import { postFile } from "./postfile.js";
import { accepted } from "./streams.js";

const element = (id) => document.getElementById(id);
const form = element("add-form");
const status = form.querySelector("[role=status]");
let sending = Promise.resolve();

// The server sends the parts of the page that have changed, as HTML; each has the id of its event.
const changes = new EventSource(element("folder-panel").dataset.url);
for (const part of ["arriving", "listing", "video", "heard"]) {
  changes.addEventListener(part, ({ data }) => replace(element(part), data));
}

/** Replaces what is in an element; the keyboard stays at the link where it is. */
function replace(place, html) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const href = focused?.getAttribute("href");
  place.innerHTML = html;
  if (href) place.querySelector(`a[href="${CSS.escape(href)}"]`)?.focus();
}

form.hidden = false;

element("add").addEventListener("change", ({ target }) => {
  for (const file of target.files) sending = sending.then(() => send(file));
  target.value = ""; // So that the same file can be chosen again.
});

/** Sends a file. How far it is, the server says: it does so of every upload. */
async function send(file) {
  const headers = {
    Accept: "application/json",
    "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
  };
  const { signal } = new AbortController(); // Leaving the page is what cancels here.
  show("open", `Uploading ${file.name} …`);
  try {
    const response = await postFile(form.action, file, { headers, signal, onProgress() {} });
    const [saved] = (await (await accepted(response)).json()).files;
    show("done", `Saved as ${saved.name}.`);
  } catch (error) {
    show("failed", `${file.name}: ${error.message}`);
  }
}

function show(state, text) {
  status.dataset.state = state;
  status.textContent = text;
}

element("jumps").hidden = false;

element("jumps").addEventListener("click", ({ target }) => {
  if (!target.dataset.seconds) return;
  const melody = element("melody");
  melody.currentTime = Number(target.dataset.seconds);
  melody.play();
});
