/** What every page needs that reads a stream by fetch(). */

/** Yields the chunks of a response's body, each a Uint8Array; ends the request when left early. */
export async function* chunks(response) {
  // Not `for await (... of response.body)`: Safari learned that only in version 26.
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(brokenOff);
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {}); // Of a stream that has failed it fails again.
  }
}

function brokenOff(error) {
  if (isAbort(error)) throw error;
  throw new Error("The stream broke off.", { cause: error });
}

/** Returns the response if it is a success; else throws an Error that says why. */
export async function accepted(response) {
  if (response.ok) return response;
  throw new Error((await reason(response)) || `The server answered ${response.status}.`);
}

/** Returns whether an error is that of a request which was aborted on purpose. */
export function isAbort(error) {
  return error.name === "AbortError";
}

async function reason(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (type.startsWith("application/json")) return messages(await response.json());
  return type.startsWith("text/plain") ? response.text() : response.statusText;
}

/** Returns what Django's form errors say: `{errors: {field: [{message, code}]}}`. */
function messages({ errors = {} }) {
  return Object.entries(errors)
    .flatMap(([field, list]) => list.map(({ message }) => `${field}: ${message}`))
    .join(" ");
}
