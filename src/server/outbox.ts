import type { ResultsFilter } from "../stream/commands.ts";
import type { EventBody } from "../stream/events.ts";
import type { Millis } from "../stream/units.ts";
import type { Clock } from "./clock.ts";
import type { EventSink } from "./connection.ts";

/** An event before it has a number: each reader's numbers are its own. */
export interface Posted {
  readonly body: EventBody;
  readonly sessionId: string;
  readonly tMediaMs: Millis;
}

export interface OutboxParts {
  readonly sink: EventSink;
  readonly clock: Clock;
  /** Above this, what may not be dropped is too much: the reader is cut off. */
  readonly maxBacklogBytes: number;
  readonly filter?: ResultsFilter;
  /** The reader fell behind: from now on only the newest `score` of each channel waits for it. Once per outbox. */
  readonly onSlow: (about: Posted) => void;
  /** The backlog limit was reached. Once; nothing is sent afterwards but {@link Outbox.last}. */
  readonly onOverflow: (about: Posted) => void;
}

/** How often a reader that is behind is looked at again, while a `score` waits for it. */
const retryMs = 100;
/** A reader is behind above this share of the backlog limit. */
const slowShare = 1 / 8;

/**
 * Sends events to one reader in order, each session's numbered from 0 without holes. A reader that is behind gets
 * the newest `score` per channel once it has caught up; everything else is handed over at once, up to the limit.
 */
export class Outbox {
  readonly #parts: OutboxParts;
  #filter: ResultsFilter;
  readonly #seqs = new Map<string, number>();
  /** The newest score of each channel that waits, in the order in which they are to go. */
  readonly #held = new Map<string, Posted>();
  /** End of the last score sent of each channel, on the media timeline. */
  readonly #lastScoreMs = new Map<string, number>();
  #cancelRetry: (() => void) | undefined;
  #slow = false;
  #over = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#filter = parts.filter ?? {};
  }

  /** Whether events still go anywhere. */
  get open(): boolean {
    return !this.#over;
  }

  refilter(filter: ResultsFilter): void {
    this.#filter = { ...this.#filter, ...filter };
  }

  offer(posted: Posted): void {
    if (this.#over || !this.#wanted(posted)) return;
    if (posted.body.type === "score" && this.#isBehind()) {
      this.#hold(posted, posted.body.channel);
      return;
    }
    this.#release();
    this.#send(posted);
    this.#checkBacklog(posted);
  }

  /** Forgets a session: its numbers and what waits of it. */
  forget(sessionId: string): void {
    this.#seqs.delete(sessionId);
    for (const key of [...this.#held.keys(), ...this.#lastScoreMs.keys()]) {
      if (!key.startsWith(`${sessionId}/`)) continue;
      this.#held.delete(key);
      this.#lastScoreMs.delete(key);
    }
  }

  /** Sends these whatever the backlog, and nothing after them: how a session ends. */
  last(posted: readonly Posted[]): void {
    this.#release();
    for (const one of posted) this.#send(one);
    this.stop();
  }

  /** Sends nothing more. Idempotent. */
  stop(): void {
    this.#over = true;
    this.#held.clear();
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }

  #wanted({ body, sessionId }: Posted): boolean {
    if (body.type === "ready" || body.type === "summary" || body.type === "error") return true;
    if (this.#filter.kinds?.includes(body.type) === false) return false;
    const { minIntervalMs } = this.#filter;
    if (body.type !== "score" || minIntervalMs === undefined) return true;
    const key = `${sessionId}/${body.channel}`;
    const last = this.#lastScoreMs.get(key);
    if (last !== undefined && body.window.endMs - last < minIntervalMs) return false;
    this.#lastScoreMs.set(key, body.window.endMs);
    return true;
  }

  #isBehind(): boolean {
    return this.#parts.sink.backlogBytes() > this.#parts.maxBacklogBytes * slowShare;
  }

  #hold(posted: Posted, channel: number): void {
    if (!this.#slow) {
      this.#slow = true;
      this.#parts.onSlow(posted);
      if (this.#over) return;
    }
    const key = `${posted.sessionId}/${channel}`;
    this.#held.delete(key);
    this.#held.set(key, posted);
    this.#cancelRetry ??= this.#parts.clock.after(retryMs, () => this.#retry());
  }

  #retry(): void {
    this.#cancelRetry = undefined;
    if (this.#held.size === 0) return;
    if (this.#isBehind()) this.#cancelRetry = this.#parts.clock.after(retryMs, () => this.#retry());
    else this.#release();
  }

  /** What waits goes before what comes after it, so that a reader sees one order. */
  #release(): void {
    for (const posted of this.#held.values()) this.#send(posted);
    this.#held.clear();
  }

  #send({ body, sessionId, tMediaMs }: Posted): void {
    const seq = this.#seqs.get(sessionId) ?? 0;
    this.#seqs.set(sessionId, seq + 1);
    this.#parts.sink.send({ ...body, seq, sessionId, tMediaMs });
  }

  #checkBacklog(about: Posted): void {
    if (this.#parts.sink.backlogBytes() <= this.#parts.maxBacklogBytes) return;
    this.stop();
    this.#parts.onOverflow(about);
  }
}
