/** How much of a stream has come, and how fast. */

export class Meter {
  #show;
  #begun = performance.now();
  #first = 0;
  #last = this.#begun;
  #isDue = false;

  items = 0;
  bytes = 0;

  /** `show(meter)` writes the figures: once in a frame at most, for chunks come far more often. */
  constructor(show) {
    this.#show = show;
    this.#schedule();
  }

  count(items, bytes) {
    this.items += items;
    this.bytes += bytes;
    this.#last = performance.now();
    if (this.items) this.#first ||= this.#last;
    this.#schedule();
  }

  /** Seconds from the beginning to the last that has come. */
  get seconds() {
    return (this.#last - this.#begun) / 1000;
  }

  /** Seconds from the beginning to the first item, if there is one. */
  get secondsToFirst() {
    return this.#first ? (this.#first - this.#begun) / 1000 : null;
  }

  get itemsPerSecond() {
    return this.items ? this.items / this.seconds : null;
  }

  get bytesPerItem() {
    return this.items ? this.bytes / this.items : null;
  }

  #schedule() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#show(this);
    });
  }
}

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Returns a number with its thousands, and a dash for null. */
export function number(value) {
  return value === null ? "–" : NUMBER.format(value);
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

export function duration(seconds) {
  if (seconds === null) return "–";
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}
