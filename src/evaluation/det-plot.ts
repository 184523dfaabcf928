import { deviate, type DetPoint } from "./det.ts";

/** One curve with what the legend says of it. */
export interface PlottedCurve {
  readonly label: string;
  readonly points: readonly DetPoint[];
}

const ticks = [0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95];
const [lowest, highest] = [deviate(0.0005), deviate(0.98)];
const side = 480;
const margin = { left: 70, top: 40, bottom: 60, right: 20 };
// Told apart by people who do not see all colours (Okabe & Ito), and by their dashes on paper.
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const dashes = ["", "6 3", "2 3", "8 3 2 3"];

/** A detection error trade-off plot as an SVG document, with axes from 0.05 % to 98 % and the line of equal errors. */
export function detPlot(title: string, curves: readonly PlottedCurve[]): string {
  const width = margin.left + side + margin.right;
  const height = margin.top + side + margin.bottom;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(margin.left + side / 2, 24, title, 'text-anchor="middle" font-size="15"'),
    ...ticks.flatMap(gridLines),
    `<rect x="${margin.left}" y="${margin.top}" width="${side}" height="${side}" fill="none" stroke="#333"/>`,
    line(lowest, lowest, highest, highest, 'stroke="#999" stroke-dasharray="3 3"'),
    `<clipPath id="frame"><rect x="${margin.left}" y="${margin.top}" width="${side}" height="${side}"/></clipPath>`,
    ...curves.map(curvePath),
    ...curves.flatMap(legendLine),
    text(margin.left + side / 2, height - 14, "machines accepted as human", 'text-anchor="middle"'),
    text(
      0,
      0,
      "humans rejected as machines",
      `text-anchor="middle" transform="translate(18 ${margin.top + side / 2}) rotate(-90)"`,
    ),
    "</svg>",
    "",
  ].join("\n");
}

const toX = (value: number): number => margin.left + ((value - lowest) / (highest - lowest)) * side;
const toY = (value: number): number => margin.top + side - ((value - lowest) / (highest - lowest)) * side;

function gridLines(share: number): readonly string[] {
  const at = deviate(share);
  const label = `${Number((share * 100).toPrecision(3))} %`;
  return [
    line(at, lowest, at, highest, 'stroke="#e5e5e5"'),
    line(lowest, at, highest, at, 'stroke="#e5e5e5"'),
    text(toX(at), margin.top + side + 18, label, 'text-anchor="middle" font-size="11"'),
    text(margin.left - 6, toY(at) + 4, label, 'text-anchor="end" font-size="11"'),
  ];
}

function line(x1: number, y1: number, x2: number, y2: number, style: string): string {
  return `<path d="M${place(x1, y1)}L${place(x2, y2)}" fill="none" ${style}/>`;
}

const place = (x: number, y: number): string => `${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`;

function curvePath({ points }: PlottedCurve, index: number): string {
  const path = points.map(({ x, y }) => place(x, y)).join("L");
  return `<path d="M${path}" fill="none" clip-path="url(#frame)" stroke-width="2" ${strokeOf(index)}/>`;
}

function legendLine({ label }: PlottedCurve, index: number): readonly string[] {
  const [x, y] = [margin.left + side - 210, margin.top + 18 + index * 18];
  return [
    `<path d="M${x} ${y}h28" fill="none" stroke-width="2" ${strokeOf(index)}/>`,
    text(x + 36, y + 4, label, ""),
  ];
}

const strokeOf = (index: number): string =>
  `stroke="${colours[index % colours.length]}" stroke-dasharray="${dashes[index % dashes.length]}"`;

const text = (x: number, y: number, words: string, style: string): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${style}>${escaped(words)}</text>`;

const escaped = (words: string): string =>
  words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
