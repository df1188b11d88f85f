/** A table of any number of rows, of which only those in view are in the document. */

const ROWS_BEYOND = 10; // Above and below the view, so that a quick scroll shows no empty space.

export class RowWindow {
  #rows = [];
  #isDue = false;
  #rowHeight = 0;

  /**
   * `viewport`: the element that scrolls. `table`: the table in it, whose first body is used, and
   * whose rows are all of one height. `cells(row, index)`: returns what is in a row, an array of
   * text.
   */
  constructor(viewport, table, cells) {
    this.viewport = viewport;
    this.table = table;
    this.cells = cells;
    viewport.addEventListener("scroll", () => this.#schedule(), { passive: true });
    new ResizeObserver(() => this.#schedule()).observe(viewport);
  }

  get length() {
    return this.#rows.length;
  }

  clear() {
    this.#rows = [];
    this.#schedule();
  }

  /** Adds rows at the end. A view that shows the end goes on showing it. */
  append(rows) {
    for (const row of rows) this.#rows.push(row);
    this.#schedule();
  }

  /** Draws at most once per frame, however often rows arrive. */
  #schedule() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  #draw() {
    const { viewport, table } = this;
    const isAtEnd = viewport.scrollTop + viewport.clientHeight >= viewport.scrollHeight - 2;
    this.#rowHeight ||= this.#measuredHeight();
    const height = this.#rowHeight * this.#rows.length;
    const top = isAtEnd ? Math.max(0, height - viewport.clientHeight) : viewport.scrollTop;
    const first = Math.max(0, Math.floor(top / this.#rowHeight) - ROWS_BEYOND);
    const inView = Math.ceil(viewport.clientHeight / this.#rowHeight) + 2 * ROWS_BEYOND;
    const last = Math.min(this.#rows.length, first + inView);
    table.setAttribute("aria-rowcount", this.#rows.length + 1);
    table.tBodies[0].replaceChildren(
      space(first * this.#rowHeight),
      ...this.#rows.slice(first, last).map((row, n) => this.#element(row, first + n)),
      space((this.#rows.length - last) * this.#rowHeight),
    );
    if (isAtEnd) viewport.scrollTop = viewport.scrollHeight;
  }

  #element(row, index) {
    const element = document.createElement("tr");
    element.setAttribute("aria-rowindex", index + 2); // The first one is the table's head.
    for (const text of this.cells(row, index)) element.insertCell().textContent = text;
    return element;
  }

  #measuredHeight() {
    if (!this.#rows.length) return 0;
    const body = this.table.tBodies[0];
    body.replaceChildren(this.#element(this.#rows[0], 0));
    return body.rows[0].getBoundingClientRect().height;
  }
}

/** Returns a row that takes the place of those that are not in the document. */
function space(height) {
  const row = document.createElement("tr");
  row.className = "space";
  row.setAttribute("aria-hidden", "true");
  row.style.height = `${height}px`;
  return row;
}
