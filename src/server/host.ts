import { randomUUID } from "node:crypto";
import { Fault } from "../stream/errors.ts";
import type { Detector } from "../stream/ports.ts";
import type { DetectionSettings } from "./config.ts";
import type { Connection, EventSink, StartRequest } from "./connection.ts";
import { detectionInForce } from "./detection.ts";
import { slowReader, toErrorBody } from "./fault-events.ts";
import type {
  DetectOutcome,
  Host,
  Recording,
  ServedModel,
  SessionSnapshot,
  WatchTarget,
} from "./host-port.ts";
import { LiveSession } from "./live-session.ts";
import { Outbox, type Posted } from "./outbox.ts";
import type { RecordingDesk, RecordingWishes } from "./recording-desk.ts";
import { Registry } from "./registry.ts";
import type { Workshop } from "./session-port.ts";
import { Visit } from "./visit.ts";

export interface LoadedModel {
  readonly served: ServedModel;
  readonly detector: Detector;
}

export interface HostParts extends Workshop {
  /** One of them is the default. */
  readonly models: readonly LoadedModel[];
  readonly operator: DetectionSettings;
  readonly recordings: RecordingDesk;
}

/** When a client that found no room may try again, in milliseconds. */
const retryAfterMs = 1000;

/** Admission, the sessions and their watchers, and how all of it ends. */
export class SessionHost implements Host {
  readonly #parts: HostParts;
  readonly #registry: Registry;
  readonly #visits = new Set<Visit>();
  readonly #watching = new Set<() => void>();
  #accepting = true;
  #draining: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.#registry = new Registry(parts.clock, parts.limits.sessions);
  }

  get accepting(): boolean {
    return this.#accepting;
  }

  accept(connection: Connection): void {
    const visit = new Visit(
      connection,
      this.#parts,
      (request, from, onEnded) => this.#admit(request, from, onEnded),
      (left) => {
        this.#visits.delete(left);
        if (this.#visits.size === 0) this.#onEmpty?.();
      },
    );
    this.#visits.add(visit);
    if (!this.#accepting) visit.refuse(draining());
    else if (this.#visits.size > 2 * this.#parts.limits.sessions) visit.refuse(atCapacity());
    else visit.begin();
  }

  watch(target: WatchTarget, sink: EventSink): () => void {
    if (this.#watching.size >= 2 * this.#parts.limits.sessions) throw atCapacity();
    const outbox = this.#createWatcher(sink, (fault) => stop(fault));
    let unwatch: () => void = () => undefined;
    const stop = (fault?: Fault): void => {
      outbox.stop();
      unwatch();
      this.#watching.delete(stop);
      sink.close(fault);
    };
    this.#watching.add(stop);
    try {
      unwatch =
        target.kind === "session"
          ? this.#registry.watchSession(target.sessionId, outbox, () => stop())
          : this.#registry.watchCall(target.callId, outbox, () => stop());
    } catch (reason) {
      this.#watching.delete(stop);
      throw reason;
    }
    return () => stop();
  }

  session(sessionId: string): SessionSnapshot {
    return this.#registry.snapshot(sessionId);
  }

  sessions(callId?: string): readonly SessionSnapshot[] {
    return this.#registry.snapshots(callId);
  }

  /** How many sessions run, by transport. */
  liveByTransport(): Readonly<Record<Connection["transport"], number>> {
    const counts = { websocket: 0, grpc: 0 };
    for (const { transport } of this.#registry.live) counts[transport]++;
    return counts;
  }

  models(): readonly ServedModel[] {
    return this.#parts.models.map(({ served }) => served);
  }

  async detect(recording: Recording, wishes: RecordingWishes, signal: AbortSignal): Promise<DetectOutcome> {
    if (!this.#accepting) throw draining();
    const { served, detector } = this.#model(wishes.model);
    const detection = detectionInForce(detector.spec, this.#parts.operator, wishes);
    const channels = await this.#parts.recordings.detect(recording, detector, detection, signal);
    const { seed } = detector.spec;
    return { model: served.id, channels, ...(seed === undefined ? {} : { seed }) };
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  /** Ends everything now. */
  close(): void {
    this.#accepting = false;
    this.#parts.recordings.abort(draining());
    for (const session of this.#registry.live) session.fail(draining());
    for (const visit of [...this.#visits]) visit.refuse(draining());
    this.#registry.clear();
    for (const stop of [...this.#watching]) stop();
  }

  async #drain(): Promise<void> {
    const { clock, limits, recordings } = this.#parts;
    this.#accepting = false;
    for (const visit of [...this.#visits]) if (!visit.started) visit.refuse(draining());
    for (const session of this.#registry.live) session.warn("draining");
    const over = Promise.all([this.#empty(), recordings.idle()]);
    const late = new Promise<void>((resolve) => clock.after(limits.drainMs, resolve));
    await Promise.race([over, late]);
    recordings.abort(draining());
    for (const session of this.#registry.live) session.conclude("drain", draining());
    await over;
  }

  async #empty(): Promise<void> {
    if (this.#visits.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  #admit(request: StartRequest, connection: Connection, onEnded: () => void): LiveSession {
    if (this.#registry.size >= this.#parts.limits.sessions) throw atCapacity();
    const { detector } = this.#model(request.model);
    const detection = detectionInForce(detector.spec, this.#parts.operator, request.detection);
    const sessionId = request.sessionId ?? randomUUID();
    this.#registry.assertFree(sessionId);
    const session = new LiveSession(
      {
        ...{ sessionId, request, connection, detector, detection },
        onEnded: (ended) => {
          this.#registry.retire(ended);
          onEnded();
        },
      },
      this.#parts,
    );
    this.#registry.add(session);
    return session;
  }

  #model(id: string | undefined): LoadedModel {
    const { models } = this.#parts;
    const found = models.find(({ served }) => (id === undefined ? served.isDefault : served.id === id));
    if (found !== undefined) return found;
    throw new Fault("unknown_model", "no such model is served", { details: { field: "detection.model" } });
  }

  #createWatcher(sink: EventSink, onCut: (fault: Fault) => void): Outbox {
    const { backlogBytes } = this.#parts.limits;
    const outbox: Outbox = new Outbox({
      sink,
      clock: this.#parts.clock,
      maxBacklogBytes: backlogBytes,
      onSlow: (about) => outbox.offer({ ...about, body: { type: "warning", code: "slow_reader" } }),
      onOverflow: (about: Posted) => {
        const fault = slowReader(backlogBytes);
        outbox.last([{ ...about, body: toErrorBody(fault) }]);
        onCut(fault);
      },
    });
    return outbox;
  }
}

const draining = (): Fault => new Fault("draining", "the server is stopping", { retryAfterMs });
const atCapacity = (): Fault => new Fault("at_capacity", "no room for another session", { retryAfterMs });
