/** Draws what was spoken as bars, the part that has been heard in colour. */

const BAR = 3;
const GAP = 2;
const QUIETEST = 0.05; // of the height: silence is a line of dots, not nothing
const LOUDEST_AT_LEAST = 0.1; // what is quieter than this is drawn quiet, the rest fills the height

/** Peaks of `count` equal stretches of a sound, 0…1. @param {AudioBuffer} buffer @param {number} count */
function peaks(buffer, count) {
  const samples = buffer.getChannelData(0);
  const found = new Float32Array(count);
  for (let n = 0; n < samples.length; n += 1) {
    const bar = Math.floor((n * count) / samples.length);
    found[bar] = Math.max(found[bar], Math.abs(samples[n]));
  }
  return found;
}

export class Waveform {
  #canvas;
  #pieces = [];
  #heard = 0;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  clear() {
    this.#pieces = [];
    this.show(0);
  }

  /** @param {AudioBuffer} buffer @param {number} from @param {number} to the part of the width that it takes, 0…1 */
  add(buffer, from, to) {
    this.#pieces.push({ buffer, from, to });
    this.#draw();
  }

  /** @param {number} heard the part of the width that has been heard, 0…1 */
  show(heard) {
    this.#heard = heard;
    this.#draw();
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = devicePixelRatio || 1;
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    const pen = this.#canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(this.#canvas);
    const [accent, line] = ["--accent", "--edge"].map((name) => style.getPropertyValue(name));
    const bars = Math.floor((width + GAP) / (BAR + GAP));
    for (const piece of this.#pieces) {
      piece.first = Math.round(piece.from * bars);
      const count = Math.max(1, Math.round(piece.to * bars) - piece.first);
      if (piece.peaks?.length !== count) piece.peaks = peaks(piece.buffer, count);
    }
    const loudest = Math.max(LOUDEST_AT_LEAST, ...this.#pieces.map((piece) => Math.max(...piece.peaks)));
    for (const { first, peaks } of this.#pieces) {
      peaks.forEach((peak, n) => {
        const tall = Math.max(QUIETEST, peak / loudest) * height;
        pen.fillStyle = (first + n + 0.5) / bars <= this.#heard ? accent : line;
        pen.beginPath();
        pen.roundRect((first + n) * (BAR + GAP), (height - tall) / 2, BAR, tall, BAR / 2);
        pen.fill();
      });
    }
  }
}
