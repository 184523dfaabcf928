import type { Abstention, ChannelSummary, Rolling, State, Verdict } from "./events.ts";
import type { DetectionDefaults, Score, Window } from "./ports.ts";
import { nextState } from "./state.ts";
import { type Hertz, type Millis, type Samples, samples, sigmoid, logit, toMillis } from "./units.ts";

/** Above this share of a window lost, its sound is too torn to judge. */
const maxLossRatio = 0.2;
/** Above this share of samples at full scale, likewise. */
const maxClipping = 0.1;
/** So many windows in a row without an answer, and a state would be a claim about audio nobody heard. */
const overloadAfter = 3;
const rememberedEvidence = 16;

/** How a window was answered: with a score, or not asked (nobody spoke). */
export type Answer = { readonly kind: "scored"; readonly score: Score } | { readonly kind: "silent" };

/** What one window did to its channel. */
export interface Tallied {
  readonly llr: number | null;
  readonly verdict: Verdict;
  readonly rolling: Rolling;
}

/** A tally's numbers, without the times that its channel knows. */
export type Totals = Omit<ChannelSummary, "channel" | "audioMs" | "gapMs">;

/**
 * One channel's evidence. A window's calibrated LLR x counts b·tanh(x/b), times hop/window, so that overlapping windows
 * do not count twice and no window convicts alone. Two sums: the whole recording's, undecayed, over every scored window;
 * and the live one, over windows with a verdict, which halves every `halfLifeS` seconds of speech. Within a hop of
 * Δ seconds of speech the decay acts as it would on a steady stream, (1 − 2^(−Δ/h)) / (Δ·ln 2/h), which makes the
 * limit on constant input the same for every hop. Pure: the same windows and scores always give the same states.
 */
export class Tally {
  readonly #rate: Hertz;
  readonly #window: Samples;
  #detection: DetectionDefaults;

  #sum = 0;
  #live = 0;
  /** Windows with a verdict since the last reset. */
  #decided = 0;
  #speech = 0;
  #speechTotal = 0;
  #state: State = { state: "undecided", reason: "too_little_speech" };
  #unanswered = 0;
  #evidence: number[] = [];
  /** Windows that began before this belong to an earlier speaker. */
  #since = 0;
  readonly #counts = { windows: 0, scored: 0, undecided: 0, shed: 0 };

  constructor(detection: DetectionDefaults, window: Samples, rate: Hertz) {
    this.#detection = detection;
    this.#window = window;
    this.#rate = rate;
  }

  get state(): State {
    return this.#state;
  }

  /** Indexes of the latest windows that spoke for spoof. */
  get evidence(): readonly number[] {
    return this.#evidence;
  }

  retune(detection: DetectionDefaults): void {
    this.#detection = detection;
  }

  /** Forgets the live evidence: another speaker begins at `start`. The recording's sum goes on. */
  reset(start: Samples): void {
    this.#since = start;
    this.#live = 0;
    this.#decided = 0;
    this.#speech = 0;
    this.#evidence = [];
    this.#state = { state: "undecided", reason: "too_little_speech" };
  }

  add(window: Window, answer: Answer): Tallied {
    this.#counts.windows++;
    this.#speechTotal += window.freshSpeech;
    const llr = answer.kind === "scored" ? answer.score.llr : null;
    const verdict = this.#verdict(window, answer);
    if (verdict.verdict === "undecided") this.#counts.undecided++;
    if (llr !== null) {
      this.#counts.scored++;
      this.#sum += this.#weight(window) * this.#bounded(llr);
    }
    this.#unanswered = 0;
    if (window.start >= this.#since) this.#follow(window, llr, verdict);
    return { llr, verdict, rolling: this.#rolling() };
  }

  /** A window that was shed, or whose worker died: its time is a gap. */
  miss(cause: "shed" | "worker_lost"): void {
    this.#counts.windows++;
    if (cause === "shed") this.#counts.shed++;
    this.#unanswered++;
    if (this.#unanswered >= overloadAfter) this.#state = { state: "undecided", reason: "overload" };
  }

  totals(): Totals {
    const { scored } = this.#counts;
    const { state, reason } = this.#state;
    const llr = scored > 0 ? this.#sum : null;
    const pSpoof = llr === null || state === "undecided" ? null : this.#posterior(llr);
    return { state, reason, llr, pSpoof, speechMs: this.#toMillis(this.#speechTotal), ...this.#counts };
  }

  #follow(window: Window, llr: number | null, verdict: Verdict): void {
    const speechS = window.freshSpeech / this.#rate;
    const { halfLifeS, thresholds } = this.#detection;
    const kept = 2 ** (-speechS / halfLifeS);
    this.#live *= kept;
    this.#speech += window.freshSpeech;
    if (llr === null || verdict.verdict === "undecided") {
      if (this.#decided === 0) this.#state = { state: "undecided", reason: verdict.reason ?? "inconclusive" };
      return;
    }
    const within = speechS > 0 ? (1 - kept) / ((speechS * Math.LN2) / halfLifeS) : 1;
    this.#live += this.#weight(window) * within * this.#bounded(llr);
    this.#decided++;
    if (llr > 0) this.#evidence = [...this.#evidence, window.index].slice(-rememberedEvidence);
    this.#state = nextState(this.#state, this.#posterior(this.#live), this.#decided, thresholds);
  }

  #verdict(window: Window, answer: Answer): Verdict {
    const reason = answer.kind === "silent" ? "no_speech" : this.#abstention(window, answer.score);
    if (reason !== undefined) return { verdict: "undecided", pSpoof: null, reason };
    const pSpoof = answer.kind === "scored" ? this.#posterior(answer.score.llr) : 0.5;
    return { verdict: pSpoof >= 0.5 ? "spoof" : "bonafide", pSpoof, reason: null };
  }

  #abstention(window: Window, score: Score): Abstention | undefined {
    if (window.quality.lossRatio > maxLossRatio) return "gap";
    if (this.#toMillis(window.speech) < this.#detection.minSpeechMs) return "too_little_speech";
    if (window.quality.clipping > maxClipping) return "low_quality";
    return score.abstain;
  }

  /** Never above 1, so that no single window turns `bonafide` into `spoof`. */
  #weight(window: Window): number {
    const hop = (this.#detection.hopMs * this.#rate) / 1000;
    return Math.min(1, Math.min(hop, window.fresh) / this.#window);
  }

  #bounded(llr: number): number {
    const { llrBound } = this.#detection;
    return llrBound * Math.tanh(llr / llrBound);
  }

  #posterior(llr: number): number {
    return sigmoid(llr + logit(this.#detection.prior));
  }

  #rolling(): Rolling {
    return {
      llr: this.#live,
      pSpoof: this.#decided > 0 ? this.#posterior(this.#live) : null,
      speechMs: this.#toMillis(this.#speech),
      windows: this.#decided,
    };
  }

  #toMillis(n: number): Millis {
    return toMillis(samples(n), this.#rate);
  }
}
