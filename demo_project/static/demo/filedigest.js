/** The SHA-256 of files, computed in a thread of its own: the page goes on meanwhile. */

// At once, and one for all: later its script would have to wait for connections that uploads take.
const url = new URL("filedigest.worker.js", import.meta.url);
const worker = new Worker(url, { type: "module" });
const broken = new Promise((resolve, reject) => {
  worker.addEventListener("error", () => reject(new Error("The browser computes no digests.")));
});
broken.catch(() => {}); // It is for those who wait.

/** Resolves to it in hexadecimal; rejects when the signal aborts, or the file cannot be read. */
export function fileDigest(file, signal) {
  const { port1: port, port2: workersPort } = new MessageChannel();
  const answered = new Promise((resolve, reject) => {
    port.onmessage = ({ data }) =>
      data ? resolve(data) : reject(new Error("The browser cannot read the file."));
    signal.addEventListener("abort", () => {
      port.postMessage("stop");
      reject(signal.reason);
    });
    worker.postMessage({ file, port: workersPort }, [workersPort]);
  });
  return Promise.race([answered, broken]).finally(() => port.close());
}
