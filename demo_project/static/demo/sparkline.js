/** The last values of a number as bars, from zero up: so that what looks flat is flat. */

const SVG = "http://www.w3.org/2000/svg";
const BARS = 120;

export class Sparkline {
  #values = [];

  /** `svg`: an empty svg element with preserveAspectRatio="none". */
  constructor(svg) {
    this.svg = svg;
    svg.setAttribute("viewBox", `0 0 ${BARS} 1`);
  }

  /** Adds a value at the right end; its bar gets the class "is-marked" if it is to stand out. */
  add(value, isMarked) {
    this.#values.push({ value, isMarked });
    if (this.#values.length > BARS) this.#values.shift();
    const top = 1.25 * Math.max(...this.#values.map((each) => each.value));
    const empty = BARS - this.#values.length;
    this.svg.replaceChildren(
      ...this.#values.map((each, n) => bar(empty + n, each.value / top, each.isMarked)),
    );
  }
}

function bar(x, height, isMarked) {
  const rect = document.createElementNS(SVG, "rect");
  const attributes = { x, y: 1 - height, width: 0.75, height };
  for (const [name, value] of Object.entries(attributes)) rect.setAttribute(name, value);
  rect.classList.toggle("is-marked", isMarked);
  return rect;
}
