/** JSON lines, decoded while they arrive: https://jsonlines.org */

export class JSONLinesDecoder {
  #text = new TextDecoder("utf-8", { fatal: true });
  #rest = "";

  /** Takes some bytes of the stream; returns the items that are whole by now. */
  decode(bytes) {
    return this.#items(this.#text.decode(bytes, { stream: true }));
  }

  /** Says that the stream has ended; returns the last item, if its line break is missing. */
  end() {
    return this.#items(`${this.#text.decode()}\n`);
  }

  #items(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    // A blank line is the heartbeat of an idle stream.
    return lines.filter((line) => line.trim()).map((line) => JSON.parse(line));
  }
}
