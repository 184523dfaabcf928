import { type Observer, Subject, Subscription } from "rxjs";
import type { Command } from "../stream/commands.ts";
import { Fault } from "../stream/errors.ts";
import type { EndedBy, EventBody, ReadyBody, StateBody, SummaryBody, WarningCode } from "../stream/events.ts";
import { codesEncoding, type DetectionDefaults, type Detector } from "../stream/ports.ts";
import { override, type Session, type Source } from "../stream/session.ts";
import { millis, samples } from "../stream/units.ts";
import type { ClientMessage, Connection, StartRequest } from "./connection.ts";
import { assertDetection } from "./detection.ts";
import { slowReader, toErrorBody } from "./fault-events.ts";
import type { SessionSnapshot } from "./host-port.ts";
import { IdleWatch } from "./idle-watch.ts";
import { Outbox, type Posted } from "./outbox.ts";
import { isPrivate, seedOf, toReady } from "./ready.ts";
import type { Workshop } from "./session-port.ts";

export interface LiveSessionParts {
  readonly sessionId: string;
  readonly request: StartRequest;
  readonly connection: Connection;
  readonly detector: Detector;
  readonly detection: DetectionDefaults;
  readonly onEnded: (session: LiveSession) => void;
}

/** A minute before the longest session, or a twentieth of it when that is less. */
const warningLead = (sessionMs: number): number => Math.min(60_000, sessionMs / 20);
/** How long the last windows may take once a limit, the idle time or a drain has ended a session. */
const finishMs = 2000;

/** One client's session from `ready` to `summary`: its order of messages, its clocks, and who is told what. */
export class LiveSession {
  readonly sessionId: string;
  readonly callId: string | undefined;
  readonly transport: Connection["transport"];
  readonly #parts: LiveSessionParts;
  readonly #workshop: Workshop;
  readonly #session: Session;
  readonly #commands: Observer<Command>;
  readonly #subscription = new Subscription();
  readonly #owner: Outbox;
  readonly #watchers = new Map<Outbox, () => void>();
  #ready: ReadyBody;
  readonly #states = new Map<number, StateBody>();
  readonly #startedAt: number;
  readonly #idle: IdleWatch;
  #detection: DetectionDefaults;
  #ending: { readonly endedBy: EndedBy; readonly fault?: Fault } | undefined;
  #summary: SummaryBody | undefined;

  /** Throws the decoder's Faults, and the session's; nothing is said or runs before {@link begin}. */
  constructor(parts: LiveSessionParts, workshop: Workshop) {
    const { connection, detection, detector, request } = parts;
    this.#parts = parts;
    this.#workshop = workshop;
    this.#detection = detection;
    this.sessionId = parts.sessionId;
    this.callId = request.callId;
    this.transport = connection.transport;
    this.#startedAt = workshop.clock.now();
    this.#idle = new IdleWatch(workshop.clock, workshop.limits.idleMs, connection.valve, () => {
      this.conclude("idle", new Fault("idle", "nothing was received for too long"));
    });
    const commands = new Subject<Command>();
    this.#commands = commands;
    this.#session = workshop.createSession(
      {
        ...this.#openSource(),
        pace: request.pace,
        detector,
        detection,
        valve: this.#idle.valve,
        now: () => workshop.clock.now(),
      },
      commands,
    );
    this.#owner = this.#createOwner();
    this.#ready = toReady(parts, workshop.limits);
  }

  /** Says `ready` and starts the clocks. */
  begin(): void {
    const { clock, limits, log, metrics } = this.#workshop;
    metrics.opened(this.transport);
    log.info({ sid: this.sessionId, transport: this.transport, ...this.#facts() }, "session opened");
    this.#publish(this.#ready);
    const [, ...states] = this.replay();
    for (const outbox of this.#watchers.keys()) for (const state of states) outbox.offer(state);
    if (isPrivate(this.#parts.request)) this.warn("client_speech_measure");
    if (this.#parts.detector.spec.calibrationId === undefined) {
      this.warn("uncalibrated_model");
    }
    const lead = warningLead(limits.sessionMs);
    this.#idle.start();
    this.#subscription.add(() => this.#idle.stop());
    this.#subscription.add(clock.after(limits.sessionMs - lead, () => this.warn("near_max_session")));
    this.#subscription.add(
      clock.after(limits.sessionMs, () => {
        this.conclude("limit", new Fault("session_too_long", "the longest session is over"));
      }),
    );
    this.#subscription.add(
      this.#session.events.subscribe({
        next: (body) => this.#publish(body),
        error: (reason: unknown) => this.fail(reason),
        complete: () => this.#finished(),
      }),
    );
  }

  /** A client's message after its `start`. */
  // One arm for each message, and nothing else.
  // eslint-disable-next-line complexity
  take(message: ClientMessage): void {
    if (this.#ending !== undefined) return;
    this.#idle.heard();
    switch (message.type) {
      case "start":
        throw new Fault("bad_message", "a session starts once", { inReplyTo: "start" });
      case "keep_alive":
        return;
      case "close":
        this.conclude("close");
        return;
      case "audio":
        // An empty message is a keep-alive that some clients send; to an Opus decoder it would be a lost packet.
        if (message.chunk.length > 0) this.#takeAudio(message);
        return;
      case "update":
        this.#update(message);
        return;
      case "annotate":
        this.#assertChannel(message.channel ?? 0);
        this.#assertPace(message.gapMs ?? 0);
        this.#commands.next(message);
        return;
      case "resume":
        this.#assertPace(message.gapMs ?? 0);
        this.#commands.next(message);
        return;
      case "pause":
      case "finalize":
        this.#commands.next(message);
    }
  }

  /** No more audio comes: answers what is under way, then ends. Only the first reason counts. */
  conclude(endedBy: EndedBy, fault?: Fault): void {
    if (this.#ending !== undefined) return;
    this.#ending = { endedBy, ...(fault === undefined ? {} : { fault }) };
    this.#idle.stop();
    if (endedBy !== "close") {
      this.#subscription.add(this.#workshop.clock.after(finishMs, () => this.#finished()));
    }
    this.#commands.complete();
  }

  /** Ends it now. */
  fail(reason: unknown): void {
    const fault = Fault.from(reason);
    if (fault.code === "internal") {
      this.#workshop.log.error({ sid: this.sessionId, err: fault.cause ?? fault }, "session failed");
    }
    if (this.#ending?.fault === undefined) this.#end("fault", fault);
    else this.#finished();
  }

  /** The client is gone; what was already ending goes on, for the watchers. */
  abandon(): void {
    if (this.#ending === undefined) this.#end("peer_lost");
  }

  warn(code: WarningCode): void {
    this.#publish({ type: "warning", code });
  }

  /** `ready` and the states to a new reader, then what happens; `onEnd` after the summary. Gives back how to stop. */
  watch(outbox: Outbox, onEnd: () => void): () => void {
    for (const posted of this.replay()) outbox.offer(posted);
    return this.follow(outbox, onEnd);
  }

  /** The same for a reader who is there from the beginning. */
  follow(outbox: Outbox, onEnd: () => void): () => void {
    this.#watchers.set(outbox, onEnd);
    return () => {
      this.#watchers.delete(outbox);
    };
  }

  /** How it stands: `ready`, each channel's `state`, and the `summary` once there is one. */
  replay(): readonly Posted[] {
    const states = this.#session.channels().map(
      ({ channel, state, reason }): EventBody =>
        this.#states.get(channel) ?? {
          ...{ type: "state", channel, from: state, to: state, reason },
          ...{ atMs: millis(0), atSample: samples(0) },
        },
    );
    const summary = this.#summary === undefined ? [] : [this.#summary];
    return [this.#ready, ...states, ...summary].map((body) => this.#post(body));
  }

  snapshot(): SessionSnapshot {
    return {
      sessionId: this.sessionId,
      transport: this.transport,
      tMediaMs: this.#session.tMediaMs(),
      ready: this.#ready,
      channels: this.#summary?.channels ?? this.#session.channels(),
      ...(this.#summary === undefined ? {} : { summary: this.#summary }),
    };
  }

  #takeAudio(message: Extract<Command, { type: "audio" }>): void {
    this.#commands.next(message);
    if (this.#summary === undefined) this.#assertPace(0);
  }

  /** Throws a `too_fast` Fault when live media time, with so much more, is too far ahead of the time since `start`. */
  #assertPace(moreMs: number): void {
    if (this.#parts.request.pace !== "live") return;
    const { clock, limits } = this.#workshop;
    const aheadMs = this.#session.paceMs() + moreMs - (clock.now() - this.#startedAt);
    if (aheadMs <= limits.aheadMs) return;
    throw new Fault("too_fast", "media time runs too far ahead of the time since start", {
      details: { ahead_ms: Math.round(aheadMs), limit_ms: limits.aheadMs },
    });
  }

  #assertChannel(channel: number): void {
    if (channel < this.#parts.request.audio.channels) return;
    throw new Fault("bad_message", "channel: there is no such channel", {
      inReplyTo: "annotate",
      details: { field: "channel" },
    });
  }

  #update(message: Extract<Command, { type: "update" }>): void {
    const { detection, results } = message;
    if (detection !== undefined) {
      const updated = override(this.#detection, detection);
      assertDetection(updated, this.#parts.detector.spec);
      this.#detection = updated;
      this.#ready = { ...this.#ready, detection: { ...this.#ready.detection, ...this.#detection } };
    }
    if (results !== undefined) this.#owner.refilter(results);
    this.#commands.next(message);
  }

  #finished(): void {
    if (this.#ending === undefined) {
      this.fail(new Error("a session's events ended by themselves"));
      return;
    }
    this.#end(this.#ending.endedBy, this.#ending.fault);
  }

  #end(endedBy: EndedBy, fault?: Fault): void {
    if (this.#summary !== undefined) return;
    this.#ending ??= { endedBy };
    this.#summary = {
      ...{ type: "summary", endedBy, channels: this.#session.channels() },
      calibrationId: this.#parts.detector.spec.calibrationId ?? null,
      ...seedOf(this.#parts),
    };
    this.#subscription.unsubscribe();
    const last = [this.#summary, ...(fault === undefined ? [] : [toErrorBody(fault)])];
    const posted = last.map((body) => this.#post(body));
    this.#owner.last(posted);
    this.#parts.connection.close(fault);
    for (const [outbox, onEnd] of [...this.#watchers]) {
      for (const one of posted) outbox.offer(one);
      onEnd();
    }
    this.#watchers.clear();
    this.#report(endedBy, fault);
    this.#parts.onEnded(this);
  }

  #report(endedBy: EndedBy, fault: Fault | undefined): void {
    const { log, metrics } = this.#workshop;
    metrics.ended(this.transport, endedBy);
    if (fault !== undefined) metrics.faulted(fault.code);
    log.info(
      { sid: this.sessionId, endedBy, fault: fault?.code, audioMs: this.#session.tMediaMs() },
      "session closed",
    );
  }

  #publish(body: EventBody): void {
    if (this.#summary !== undefined) return;
    this.#workshop.metrics.event(body);
    if (body.type === "state") this.#states.set(body.channel, body);
    const posted = this.#post(body);
    this.#owner.offer(posted);
    for (const outbox of [...this.#watchers.keys()]) {
      if (outbox.open) outbox.offer(posted);
      else this.#watchers.delete(outbox);
    }
  }

  #post(body: EventBody): Posted {
    return { body, sessionId: this.sessionId, tMediaMs: this.#session.tMediaMs() };
  }

  #createOwner(): Outbox {
    const { clock, limits } = this.#workshop;
    return new Outbox({
      sink: this.#parts.connection,
      clock,
      maxBacklogBytes: limits.backlogBytes,
      filter: this.#parts.request.results,
      onSlow: () => this.#owner.offer(this.#post({ type: "warning", code: "slow_reader" })),
      onOverflow: () => this.fail(slowReader(limits.backlogBytes)),
    });
  }

  #openSource(): Source {
    const format = this.#parts.request.audio;
    if (format.encoding === codesEncoding) return { format };
    return { format, decoder: this.#workshop.createDecoder(format) };
  }

  #facts() {
    const { encoding, rate, channels } = this.#parts.request.audio;
    return { encoding, rate, channels, pace: this.#parts.request.pace, model: this.#parts.detector.spec.id };
  }
}
