/** Bytes in every form in which a program may write them down; their number must be even. */
export function formsOf(bytes: Uint8Array): readonly Buffer[] {
  const buffer = Buffer.from(bytes);
  // Within a longer text, base64 depends on where it starts; the middle is the same for each of three places.
  const base64 = [0, 1, 2].flatMap((lead) => {
    const text = Buffer.concat([Buffer.alloc(lead), buffer]).toString("base64");
    const middle = text.slice(4, 4 * Math.floor((lead + bytes.length) / 3));
    return [middle, middle.replaceAll("+", "-").replaceAll("/", "_")];
  });
  const hex = buffer.toString("hex");
  const spaced = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const shorts = Array.from({ length: bytes.length / 2 }, (_, i) => buffer.readInt16LE(2 * i));
  const texts = [
    hex,
    hex.toUpperCase(),
    spaced,
    [...bytes].join(","),
    [...bytes].join(", "),
    shorts.join(","),
  ];
  return [buffer, ...[...base64, ...texts].map((text) => Buffer.from(text, "latin1"))];
}

/** Whether `haystack` holds `bytes` in any of their forms. */
export const holds = (haystack: Buffer, bytes: Uint8Array): boolean =>
  formsOf(bytes).some((form) => haystack.includes(form));
