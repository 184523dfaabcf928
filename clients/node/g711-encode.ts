/** The largest magnitude whose biased value still lies in μ-law's last segment. */
const mulawClip = 32635;
const mulawBias = 132;

/** Samples in [-1, 1] to ITU-T G.711 μ-law, a byte each; what lies outside is clipped. */
export function encodeMulaw(samples: Float32Array): Uint8Array {
  const bytes = new Uint8Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const pcm = toPcm16(samples[i] ?? 0);
    const magnitude = Math.min(Math.abs(pcm), mulawClip) + mulawBias;
    const segment = 24 - Math.clz32(magnitude);
    const step = (magnitude >> (segment + 3)) & 15;
    bytes[i] = ~((pcm < 0 ? 0x80 : 0) | (segment << 4) | step);
  }
  return bytes;
}

/** Samples in [-1, 1] to ITU-T G.711 A-law, a byte each; what lies outside is clipped. */
export function encodeAlaw(samples: Float32Array): Uint8Array {
  const bytes = new Uint8Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const pcm = toPcm16(samples[i] ?? 0);
    // The law is symmetric about -1/2: it has no zero.
    const magnitude = (pcm < 0 ? ~pcm : pcm) >> 4;
    const segment = Math.max(0, 28 - Math.clz32(magnitude));
    const step = (magnitude >> Math.max(0, segment - 1)) & 15;
    bytes[i] = ((pcm < 0 ? 0 : 0x80) | (segment << 4) | step) ^ 0x55;
  }
  return bytes;
}

const toPcm16 = (sample: number): number => Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
