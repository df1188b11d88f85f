/** Gets files, each with a port, on which it answers with the SHA-256, or null if there is none. */

import { Sha256 } from "./sha256.js";

const SLICE = 2 ** 20; // Bytes of a file that are in memory at a time, however large it is.

addEventListener("message", async ({ data: { file, port } }) => {
  port.postMessage(await digest(file, port).catch(() => null));
});

async function digest(file, port) {
  const sha256 = new Sha256();
  let isWanted = true;
  port.onmessage = () => {
    isWanted = false;
  };
  for (let at = 0; at < file.size; at += SLICE) {
    sha256.update(new Uint8Array(await file.slice(at, at + SLICE).arrayBuffer()));
    if (!isWanted) return null;
  }
  return sha256.hex();
}
