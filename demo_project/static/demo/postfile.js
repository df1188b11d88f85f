/** Sends a file by POST and tells how much of it has left, which fetch() does not. */

const LOST = "The connection was lost, or the file cannot be read."; // It does not say which.

/**
 * Resolves to the Response; rejects when the signal aborts, or there is none.
 *
 * The file is the body, and no part of a form: so what has left of the body has left of the file,
 * and the server knows its size from Content-Length.
 */
export function postFile(url, file, { headers, signal, onProgress }) {
  const request = new XMLHttpRequest();
  request.open("POST", url);
  request.setRequestHeader("Content-Disposition", disposition(file.name));
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  return new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", ({ loaded }) => onProgress(loaded));
    request.addEventListener("load", () => resolve(toResponse(request)));
    request.addEventListener("error", () => reject(new Error(LOST)));
    request.addEventListener("abort", () => reject(signal.reason));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** Names a file, whatever characters it has (RFC 6266 4.3, RFC 8187 3.2.1). */
function disposition(name) {
  const escape = (char) => `%${char.charCodeAt(0).toString(16)}`;
  return `attachment; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, escape)}`;
}

function toResponse(request) {
  const { status, statusText, responseText } = request;
  const headers = { "Content-Type": request.getResponseHeader("Content-Type") ?? "" };
  return new Response(responseText, { status, statusText, headers });
}
