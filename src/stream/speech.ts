import type { SpeechMeter } from "./ports.ts";
import { featureCount, frameHop, frameSize, SpeechFeatures } from "./speech-features.ts";
import { framesPerStep, headCount, memorySteps, SpeechNet } from "./speech-net.ts";

const stepLength = framesPerStep * frameHop;
/** How far back a query may start, in samples: ten seconds. */
const reach = 160_000;
/** Steps kept: ten seconds, whatever part of a step the query begins and ends in, and the steps still under review. */
const keptSteps = Math.ceil(reach / stepLength) + headCount + 2;
const keptFrames = keptSteps * framesPerStep;
const lookBack = frameSize - frameHop;
/** After a hole of this many steps nothing that is remembered is older than the hole; two are for the frames' look back. */
const forgetSteps = memorySteps + keptSteps + 2;
/** Log-odds from which a step counts as speech; under 0 because speech in noise is missed sooner than music is heard as speech. */
const threshold = -1.5;
const silence = new Float32Array(stepLength);

/**
 * A speech meter for one channel at 16 kHz. A small network judges each 80 ms, again with every step that
 * follows until it is a second old, so an answer depends on nothing but what was pushed before it was asked.
 */
export function createSpeechMeter(): SpeechMeter {
  return new NetworkMeter();
}

class NetworkMeter implements SpeechMeter {
  readonly #features = new SpeechFeatures();
  readonly #net = new SpeechNet();
  /** The step being filled, after the samples before it that its first frame looks back on. */
  readonly #samples = new Float32Array(lookBack + stepLength);
  readonly #stepFeatures = new Float32Array(framesPerStep * featureCount);
  /** Log-odds of the newest steps, newest first. */
  readonly #logOdds = new Float32Array(headCount);
  /** Of the steps that are past review: 1 for speech. */
  readonly #judged = new Uint8Array(keptSteps);
  /** Samples of each frame that lie in holes. */
  readonly #lost = new Uint16Array(keptFrames);
  /** Samples of time so far, holes included. */
  #time = 0;

  push(samples: Float32Array): void {
    this.#advance(samples, samples.length, true);
  }

  skip(length: number): void {
    if (!Number.isInteger(length) || length < 0)
      throw new RangeError(`a hole cannot be ${length} samples long`);
    const settling = ((stepLength - (this.#time % stepLength)) % stepLength) + forgetSteps * stepLength;
    // Whole steps that find nothing but silence in memory, and leave nothing else, need no computing.
    const idle = Math.max(0, Math.floor((length - settling) / stepLength));
    this.#pass(Math.min(length, settling));
    this.#time += idle * stepLength;
    this.#pass(Math.max(0, length - settling) - idle * stepLength);
  }

  speech(start: number, end: number): number {
    if (!(start <= end && start >= Math.max(0, this.#time - reach) && end <= this.#time)) {
      throw new RangeError(`[${start}, ${end}) is not within the last ten seconds before ${this.#time}`);
    }
    let total = 0;
    for (let frame = Math.floor(start / frameHop); frame * frameHop < end; frame++) {
      if (!this.#isSpeech(Math.floor(frame / framesPerStep))) continue;
      const overlap = Math.min(end, (frame + 1) * frameHop) - Math.max(start, frame * frameHop);
      // Where in a frame a hole lies is not kept: it is taken to lie within the part that was asked for.
      total += Math.max(0, overlap - (this.#lost[frame % keptFrames] ?? 0));
    }
    return total;
  }

  #isSpeech(step: number): boolean {
    const age = Math.floor(this.#time / stepLength) - 1 - step;
    if (age >= headCount) return this.#judged[step % keptSteps] === 1;
    // The step that is still being filled is taken to be as the last one was.
    return (this.#logOdds[Math.max(0, age)] ?? 0) > threshold;
  }

  #advance(source: Float32Array, length: number, audible: boolean): void {
    let at = 0;
    while (at < length) {
      const filled = this.#time % stepLength;
      const taken = Math.min(length - at, frameHop - (filled % frameHop));
      this.#samples.set(source.subarray(at, at + taken), lookBack + filled);
      this.#lose(audible ? 0 : taken);
      this.#time += taken;
      at += taken;
      if (this.#time % stepLength === 0) this.#finishStep();
    }
  }

  #pass(length: number): void {
    for (let left = length; left > 0; left -= stepLength) {
      this.#advance(silence, Math.min(left, stepLength), false);
    }
  }

  #lose(count: number): void {
    const slot = Math.floor(this.#time / frameHop) % keptFrames;
    const before = this.#time % frameHop === 0 ? 0 : (this.#lost[slot] ?? 0);
    this.#lost[slot] = before + count;
  }

  #finishStep(): void {
    const step = this.#time / stepLength - 1;
    if (step >= headCount) {
      // The oldest step under review leaves it with the verdict it has.
      const last = this.#logOdds[headCount - 1] ?? 0;
      this.#judged[(step - headCount) % keptSteps] = last > threshold ? 1 : 0;
    }
    for (let frame = 0; frame < framesPerStep; frame++) {
      this.#features.compute(this.#samples, frame * frameHop, this.#stepFeatures, frame * featureCount);
    }
    this.#net.step(this.#stepFeatures, this.#logOdds);
    this.#samples.copyWithin(0, stepLength);
  }
}
