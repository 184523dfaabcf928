// Draws one channel's rolling probability over time: solid in its state's colour where it is decided, dotted and grey
// where it is not, a ring for each window's own probability, a band for each gap.

const leastSpanMs = 20_000;
const mostSpanMs = 300_000;
const margin = { left: 44, right: 12, top: 10, bottom: 24 };

export class Curve {
  #canvas;
  #points = [];
  #gaps = [];
  #thresholds = { suspect: 0.8, spoof: 0.95, bonafide: 0.2 };
  #endMs = 0;
  #queued = false;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#drawSoon()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#drawSoon());
  }

  setThresholds(thresholds) {
    this.#thresholds = thresholds;
    this.#drawSoon();
  }

  /** `rolling` and `own` are probabilities or null; `state` is the channel's from here on. */
  add({ atMs, rolling, own, state }) {
    this.#points.push({ atMs, rolling, own, state });
    this.#endMs = Math.max(this.#endMs, atMs);
    this.#drawSoon();
  }

  addGap(startMs, endMs) {
    this.#gaps.push({ startMs, endMs });
    this.#endMs = Math.max(this.#endMs, endMs);
    this.#drawSoon();
  }

  #drawSoon() {
    if (this.#queued) return;
    this.#queued = true;
    requestAnimationFrame(() => {
      this.#queued = false;
      this.#draw();
    });
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0) return;
    const scale = devicePixelRatio || 1;
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    const pen = this.#canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = "12px system-ui, sans-serif";
    const span = Math.min(mostSpanMs, Math.max(leastSpanMs, this.#endMs));
    const fromMs = Math.max(0, this.#endMs - span);
    const plot = {
      x: (ms) => margin.left + ((ms - fromMs) / span) * (width - margin.left - margin.right),
      y: (p) => margin.top + (1 - p) * (height - margin.top - margin.bottom),
      fromMs,
      toMs: fromMs + span,
      width,
      height,
    };
    const style = getComputedStyle(this.#canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this.#drawGaps(pen, plot, colour);
    this.#drawAxes(pen, plot, colour);
    this.#drawLine(pen, plot, colour);
    this.#drawWindows(pen, plot, colour);
  }

  #drawGaps(pen, plot, colour) {
    pen.fillStyle = colour("hole");
    for (const { startMs, endMs } of this.#gaps) {
      const left = Math.max(plot.x(startMs), margin.left);
      pen.fillRect(left, plot.y(1), Math.max(1, plot.x(endMs) - left), plot.y(0) - plot.y(1));
    }
  }

  #drawAxes(pen, plot, colour) {
    const { suspect, spoof, bonafide } = this.#thresholds;
    pen.lineWidth = 1;
    for (const p of [0, 0.5, 1]) {
      pen.strokeStyle = colour("line");
      stroke(pen, [margin.left, plot.y(p)], [plot.width - margin.right, plot.y(p)]);
      pen.fillStyle = colour("quiet");
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      pen.fillText(`${p * 100} %`, margin.left - 6, plot.y(p));
    }
    pen.setLineDash([2, 4]);
    pen.textBaseline = "top";
    for (const [p, name, word] of [
      [bonafide, "bonafide", "human"],
      [suspect, "suspect", "suspicious"],
      [spoof, "spoof", "machine-made"],
    ]) {
      pen.strokeStyle = pen.fillStyle = colour(name);
      stroke(pen, [margin.left, plot.y(p)], [plot.width - margin.right, plot.y(p)]);
      pen.fillText(word, plot.width - margin.right, plot.y(p) + 4);
    }
    pen.setLineDash([]);
    pen.textBaseline = "alphabetic";
    pen.textAlign = "center";
    pen.fillStyle = colour("quiet");
    const step = stepFor((plot.toMs - plot.fromMs) / 1000, plot.width);
    for (let s = Math.ceil(plot.fromMs / 1000 / step) * step; s * 1000 <= plot.toMs; s += step) {
      pen.fillText(`${s} s`, Math.min(plot.x(s * 1000), plot.width - 16), plot.height - 6);
    }
  }

  #drawLine(pen, plot, colour) {
    pen.lineJoin = pen.lineCap = "round";
    let last;
    for (const point of this.#points) {
      const here = { x: plot.x(point.atMs), y: plot.y(point.rolling ?? 0.5) };
      if (last !== undefined && here.x >= margin.left) {
        const isOpen = point.state === "undecided";
        pen.strokeStyle = colour(point.state);
        pen.lineWidth = isOpen ? 2 : 3;
        pen.setLineDash(isOpen ? [1, 6] : []);
        stroke(pen, [Math.max(last.x, margin.left), last.y], [here.x, here.y]);
      }
      last = here;
    }
    pen.setLineDash([]);
    const newest = this.#points.at(-1);
    if (newest === undefined) return;
    pen.fillStyle = colour(newest.state);
    disc(pen, last.x, last.y, 5);
    pen.fill();
  }

  #drawWindows(pen, plot, colour) {
    pen.lineWidth = 1.5;
    for (const { atMs, own, state } of this.#points) {
      if (own === null || plot.x(atMs) < margin.left) continue;
      pen.strokeStyle = colour("quiet");
      pen.globalAlpha = state === "undecided" ? 0.45 : 0.8;
      disc(pen, plot.x(atMs), plot.y(own), 3.5);
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }
}

function stroke(pen, [x0, y0], [x1, y1]) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

function disc(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
}

/** Seconds between labels, so that they do not touch. */
function stepFor(seconds, width) {
  const least = (seconds * 60) / width;
  return [1, 2, 5, 10, 20, 30, 60, 120].find((step) => step >= least) ?? 300;
}
