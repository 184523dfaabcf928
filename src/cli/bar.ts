/** A share of 0 … 1 as a bar of `width` characters between its ends, with eight steps to a character; dots for none. */
export function bar(share: number | null, width: number): string {
  if (share === null) return `▕${"·".repeat(width)}▏`;
  const eighths = Math.round(share * width * 8);
  const part = eighths % 8 === 0 ? "" : String.fromCodePoint(0x2590 - (eighths % 8));
  return `▕${("█".repeat(Math.floor(eighths / 8)) + part).padEnd(width)}▏`;
}
