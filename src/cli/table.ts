/** Rows of cells as lines of aligned columns, two spaces apart; a last cell is never padded. */
export function rows(cells: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of cells) {
    // A row of fewer cells runs over the columns it does not have.
    for (const [i, cell] of row.slice(0, -1).entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return cells
    .map((row) =>
      row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("  "),
    )
    .join("\n");
}

/** `n` with a sign and two decimals, or a dash. */
export const signed = (n: number | null): string =>
  n === null ? "–" : `${n < 0 ? "−" : "+"}${Math.abs(n).toFixed(2)}`;

/** A probability with three decimals, or a dash. */
export const share = (p: number | null): string => (p === null ? "–" : p.toFixed(3));

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** A count with its noun, in the plural where that is due. */
export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;
