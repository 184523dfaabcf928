/** Where the sign bit, the segment and the step of a G.711 byte lie. */
const segmentOf = (code: number): number => (code >> 4) & 7;
const stepOf = (code: number): number => code & 15;

const fullScale = 32768;

/** ITU-T G.711 μ-law: all bits inverted; within a segment 16 steps, the whole curve shifted by 33 (here · 4). */
function mulawToPcm(byte: number): number {
  const code = ~byte & 0xff;
  const magnitude = (((stepOf(code) << 3) + 0x84) << segmentOf(code)) - 0x84;
  return code & 0x80 ? -magnitude : magnitude;
}

/** ITU-T G.711 A-law: even bits inverted; the first two segments have the same step. */
function alawToPcm(byte: number): number {
  const code = byte ^ 0x55;
  const segment = segmentOf(code);
  const middle = (stepOf(code) << 4) + 8;
  const magnitude = segment === 0 ? middle : (middle + 0x100) << (segment - 1);
  return code & 0x80 ? magnitude : -magnitude;
}

// Adding 0 turns the -0 of μ-law's second zero into 0.
const tableOf = (toPcm: (byte: number) => number): Float32Array =>
  Float32Array.from({ length: 256 }, (_, byte) => toPcm(byte) / fullScale + 0);

/** The sample in (-1, 1) of each μ-law byte. */
export const mulawSamples: Float32Array = tableOf(mulawToPcm);
/** The sample in (-1, 1) of each A-law byte. */
export const alawSamples: Float32Array = tableOf(alawToPcm);
