/** SHA-256 (FIPS 180-4) of bytes that come a piece at a time: SubtleCrypto wants all of them at once. */

const BLOCK = 64;
const LENGTH_AT = BLOCK - 8; // Where the last block has the number of bits.

// The first 32 bits of the fractional parts of roots of primes (4.2.2, 5.3.3): an Int32Array keeps
// of a number just those.
const PRIMES = primes(64);
const ROUNDS = Int32Array.from(PRIMES, (prime) => Math.cbrt(prime) * 2 ** 32);
const INITIAL = Int32Array.from(PRIMES.slice(0, 8), (prime) => Math.sqrt(prime) * 2 ** 32);

export class Sha256 {
  #state = INITIAL.slice();
  #schedule = new Int32Array(64);
  #block = new Uint8Array(BLOCK); // Begins with what does not fill a block yet.
  #length = 0;

  update(bytes) {
    const filled = this.#length % BLOCK;
    const head = Math.min(filled ? BLOCK - filled : 0, bytes.length);
    this.#block.set(bytes.subarray(0, head), filled);
    this.#length += bytes.length;
    if (filled + head === BLOCK) this.#compress(this.#block, 0);
    let at = head;
    for (; at + BLOCK <= bytes.length; at += BLOCK) this.#compress(bytes, at);
    if (at < bytes.length) this.#block.set(bytes.subarray(at));
  }

  /** Returns the digest in hexadecimal; nothing can be added after it. */
  hex() {
    const bits = BigInt(this.#length) * 8n;
    const filled = this.#length % BLOCK;
    const padding = new Uint8Array(((LENGTH_AT - 1 - filled + BLOCK) % BLOCK) + 1 + 8);
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(padding.length - 8, bits);
    this.update(padding);
    const words = Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0"));
    return words.join("");
  }

  /** Takes one block of the bytes (6.2.2). */
  #compress(bytes, at) {
    const w = this.#expand(bytes, at);
    const state = this.#state; // Not `[a, b, ...] = state`, which takes twice as long.
    let a = state[0];
    let b = state[1];
    let c = state[2];
    let d = state[3];
    let e = state[4];
    let f = state[5];
    let g = state[6];
    let h = state[7];
    for (let t = 0; t < 64; t += 1) {
      const sum1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const chosen = (e & f) ^ (~e & g);
      const one = (h + sum1 + chosen + ROUNDS[t] + w[t]) | 0;
      const sum0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const majority = (a & b) ^ (a & c) ^ (b & c);
      h = g;
      g = f;
      f = e;
      e = (d + one) | 0;
      d = c;
      c = b;
      b = a;
      a = (one + sum0 + majority) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }

  #expand(bytes, at) {
    const w = this.#schedule;
    for (let t = 0; t < 16; t += 1, at += 4) {
      w[t] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (let t = 16; t < 64; t += 1) {
      const x = w[t - 15];
      const y = w[t - 2];
      const sigma0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const sigma1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[t] = (w[t - 16] + sigma0 + w[t - 7] + sigma1) | 0;
    }
    return w;
  }
}

function primes(number) {
  const found = [];
  for (let n = 2; found.length < number; n += 1) {
    if (found.every((prime) => n % prime)) found.push(n);
  }
  return found;
}
