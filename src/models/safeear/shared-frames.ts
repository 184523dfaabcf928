import type { Place } from "../scorer.ts";

/** How a window divides into frames, and how far a frame of the front reaches. Samples. */
export interface FrameGeometry {
  readonly window: number;
  readonly frameSamples: number;
  readonly before: number;
  readonly after: number;
  /** The least that the front can hear. */
  readonly fewest: number;
}

/** What a window can take from one that began `shift` frames earlier, and what it must compute anew. */
export interface Sharing {
  readonly shift: number;
  /** Frames at the beginning that hear what was mirrored there, and the samples from the window's first that they need. */
  readonly head: { readonly frames: number; readonly samples: number };
  /** The first frame that is new, and the segment up to the window's end that it and all later ones need. */
  readonly tail: { readonly frame: number; readonly firstFrame: number; readonly firstSample: number };
}

export const framesOf = ({ window, frameSamples }: FrameGeometry): number => Math.ceil(window / frameSamples);

/**
 * What is shared by windows whose starts differ by `distance` samples; undefined where nothing is, or where it would not
 * be exact: frames must coincide. A frame that reaches over neither end of a window hears the same in both.
 */
export function sharing(geometry: FrameGeometry, distance: number): Sharing | undefined {
  const { window, frameSamples, before, after, fewest } = geometry;
  const shift = distance / frameSamples;
  if (!Number.isInteger(shift) || shift < 1) return undefined;
  const mirrored = Math.ceil(before / frameSamples);
  // The last frame that reaches over no end of a window.
  const last = Math.floor((window - 1 - after) / frameSamples);
  const frame = last - shift + 1;
  // The segment's own first frames hear what is mirrored at its beginning.
  const firstFrame = frame - mirrored;
  const headSamples = (mirrored - 1) * frameSamples + after + 1;
  const samples = Math.max(fewest, frameSamples * Math.ceil(headSamples / frameSamples));
  const firstSample = firstFrame * frameSamples;
  if (firstFrame <= mirrored || samples >= window || window - firstSample < fewest) return undefined;
  return { shift, head: { frames: mirrored, samples }, tail: { frame, firstFrame, firstSample } };
}

interface Kept {
  readonly place: Place;
  /** The window, and its frames: `[frames, channels]`. */
  readonly samples: Float32Array;
  readonly frames: Float32Array;
}

/** Milliseconds that nothing was kept for longer than without another window of the same track. */
const keptMs = 15_000;

/** The last window of each track, with its frames; the tracks that were longest without one go first. */
export class KeptWindows {
  readonly #mostBytes: number;
  readonly #kept = new Map<number, Kept & { readonly at: number }>();
  #bytes = 0;
  #sweep: NodeJS.Timeout | undefined;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Frames of the window before, where the one at `place` continues it with the same samples. */
  before(place: Place, samples: Float32Array): { frames: Float32Array; distance: number } | undefined {
    const kept = this.#kept.get(place.track);
    const distance = place.start - (kept?.place.start ?? NaN);
    if (kept === undefined || !(distance > 0 && distance < samples.length)) return undefined;
    const overlap = samples.length - distance;
    const same = bytesOf(kept.samples, distance, overlap).equals(bytesOf(samples, 0, overlap));
    return same ? { frames: kept.frames, distance } : undefined;
  }

  /** Copies the samples; the frames are its own from now on. */
  keep(place: Place, samples: Float32Array, frames: Float32Array): void {
    this.#forget(place.track);
    this.#kept.set(place.track, { place, samples: samples.slice(), frames, at: performance.now() });
    this.#bytes += samples.byteLength + frames.byteLength;
    for (const track of this.#kept.keys()) {
      if (this.#bytes <= this.#mostBytes) break;
      this.#forget(track);
    }
    this.#sweep ??= setInterval(() => this.#forgetOld(), keptMs / 3).unref();
  }

  clear(): void {
    for (const track of [...this.#kept.keys()]) this.#forget(track);
  }

  #forgetOld(): void {
    const oldest = performance.now() - keptMs;
    for (const [track, { at }] of this.#kept) if (at < oldest) this.#forget(track);
  }

  #forget(track: number): void {
    const kept = this.#kept.get(track);
    if (kept === undefined) return;
    this.#kept.delete(track);
    this.#bytes -= kept.samples.byteLength + kept.frames.byteLength;
    if (this.#kept.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}

const bytesOf = ({ buffer, byteOffset }: Float32Array, start: number, length: number): Buffer =>
  Buffer.from(buffer, byteOffset + 4 * start, 4 * length);
