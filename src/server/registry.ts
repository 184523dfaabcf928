import { Fault } from "../stream/errors.ts";
import type { Clock } from "./clock.ts";
import type { SessionSnapshot } from "./host-port.ts";
import type { LiveSession } from "./live-session.ts";
import type { Outbox, Posted } from "./outbox.ts";

/** How long a finished session can still be read. */
const keptMs = 60_000;

interface Finished {
  readonly snapshot: SessionSnapshot;
  readonly replay: readonly Posted[];
  readonly cancelForgetting: () => void;
}

interface CallWatcher {
  readonly outbox: Outbox;
  /** Nothing is known of the call any more. */
  readonly onOver: () => void;
}

/** The sessions that run, those that ended within the last minute, and who waits for more of a call. */
export class Registry {
  readonly #clock: Clock;
  readonly #maxFinished: number;
  readonly #live = new Map<string, LiveSession>();
  readonly #finished = new Map<string, Finished>();
  readonly #callWatchers = new Map<string, Set<CallWatcher>>();

  /** At most `maxFinished` finished sessions are kept, the newest. */
  constructor(clock: Clock, maxFinished: number) {
    this.#clock = clock;
    this.#maxFinished = maxFinished;
  }

  get live(): readonly LiveSession[] {
    return [...this.#live.values()];
  }

  get size(): number {
    return this.#live.size;
  }

  /** Throws a `duplicate_session` Fault while a session of that name runs; a finished one makes way. */
  assertFree(sessionId: string): void {
    if (this.#live.has(sessionId)) {
      throw new Fault("duplicate_session", "a session of this id is running", { inReplyTo: "start" });
    }
  }

  /** Before the session says anything, so that its call's watchers miss nothing. */
  add(session: LiveSession): void {
    this.#live.set(session.sessionId, session);
    this.#forget(session.sessionId);
    if (session.callId === undefined) return;
    for (const { outbox } of this.#callWatchers.get(session.callId) ?? []) follow(session, outbox);
  }

  /** A session has ended: it stays readable for a while. */
  retire(session: LiveSession): void {
    this.#live.delete(session.sessionId);
    const { sessionId } = session;
    this.#finished.set(sessionId, {
      snapshot: session.snapshot(),
      replay: session.replay(),
      cancelForgetting: this.#clock.after(keptMs, () => this.#forget(sessionId)),
    });
    const [oldest] = this.#finished.keys();
    if (this.#finished.size > this.#maxFinished && oldest !== undefined) this.#forget(oldest);
  }

  /** Throws an `unknown_session` Fault. */
  snapshot(sessionId: string): SessionSnapshot {
    const found = this.#live.get(sessionId)?.snapshot() ?? this.#finished.get(sessionId)?.snapshot;
    return found ?? raiseUnknown("session");
  }

  /** Running sessions first, each kind in the order of its beginning or end. */
  snapshots(callId?: string): readonly SessionSnapshot[] {
    const all = [
      ...this.live.map((session) => session.snapshot()),
      ...[...this.#finished.values()].map(({ snapshot }) => snapshot),
    ];
    return callId === undefined ? all : all.filter(({ ready }) => ready.callId === callId);
  }

  /** Throws an `unknown_session` Fault. `onOver` is called at once for a session that has ended. */
  watchSession(sessionId: string, outbox: Outbox, onOver: () => void): () => void {
    const session = this.#live.get(sessionId);
    if (session !== undefined) return session.watch(outbox, onOver);
    const finished = this.#finished.get(sessionId) ?? raiseUnknown("session");
    outbox.last(finished.replay);
    onOver();
    return () => undefined;
  }

  /** Throws an `unknown_session` Fault for a call of which no session runs or has ended within the last minute. */
  watchCall(callId: string, outbox: Outbox, onOver: () => void): () => void {
    if (!this.#knows(callId)) raiseUnknown("call");
    const watcher = { outbox, onOver };
    const watchers = this.#callWatchers.get(callId) ?? new Set();
    this.#callWatchers.set(callId, watchers.add(watcher));
    for (const { replay, snapshot } of this.#finished.values()) {
      if (snapshot.ready.callId !== callId) continue;
      for (const posted of replay) outbox.offer(posted);
      outbox.forget(snapshot.sessionId);
    }
    const stops = this.live
      .filter((session) => session.callId === callId)
      .map((session) => session.watch(outbox, () => outbox.forget(session.sessionId)));
    return () => {
      for (const stop of stops) stop();
      this.#removeWatcher(callId, watcher);
    };
  }

  /** Ends every wait and forgets everything. */
  clear(): void {
    for (const sessionId of [...this.#finished.keys()]) this.#forget(sessionId);
  }

  #knows(callId: string): boolean {
    const ofCall = (id: string | null | undefined): boolean => id === callId;
    return (
      this.live.some((session) => ofCall(session.callId)) ||
      [...this.#finished.values()].some(({ snapshot }) => ofCall(snapshot.ready.callId))
    );
  }

  #removeWatcher(callId: string, watcher: CallWatcher): void {
    const watchers = this.#callWatchers.get(callId);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.#callWatchers.delete(callId);
  }

  #forget(sessionId: string): void {
    const finished = this.#finished.get(sessionId);
    if (finished === undefined) return;
    finished.cancelForgetting();
    this.#finished.delete(sessionId);
    const { callId } = finished.snapshot.ready;
    if (callId === null || this.#knows(callId)) return;
    for (const { onOver } of this.#callWatchers.get(callId) ?? []) onOver();
    this.#callWatchers.delete(callId);
  }
}

function follow(session: LiveSession, outbox: Outbox): void {
  session.follow(outbox, () => outbox.forget(session.sessionId));
}

function raiseUnknown(what: "session" | "call"): never {
  throw new Fault("unknown_session", `no such ${what} runs or has ended within the last minute`);
}
