import { EarwitnessError } from "./error.ts";
import { EventStream } from "./event-stream.ts";
import type { ReadyEvent, SessionEvent, SummaryEvent } from "./events.ts";
import type { Annotation, AudioPacket, Control, Update } from "./options.ts";
import type { SessionWire, WireListener } from "./wire.ts";

/** One running session: audio goes in, events come out. */
export class Session extends EventStream {
  readonly #wire: SessionWire;
  readonly #keepAlive: NodeJS.Timeout;
  #ready: ReadyEvent | undefined;
  #summary: SummaryEvent | undefined;
  #failure: EarwitnessError | undefined;
  #over = false;
  #finishing = false;
  #spoke = false;
  /** What arrived in one piece with `ready`: it waits until who awaits `connect` can have said what to listen to. */
  #behindReady: (() => void)[] | undefined;

  /** Use `connect`; `open` makes the wire and is told who listens. */
  constructor(open: (listener: WireListener) => SessionWire, keepAliveMs: number) {
    super();
    this.on("ready", (event) => {
      this.#ready = event;
    });
    this.on("summary", (event) => {
      this.#summary = event;
    });
    this.#wire = open(this);
    this.attach(this.#wire);
    this.#keepAlive = setInterval(() => {
      if (!this.#spoke && !this.#finishing) this.keepAlive();
      this.#spoke = false;
    }, keepAliveMs);
    this.#keepAlive.unref();
  }

  override onEvent(event: SessionEvent): void {
    if (this.#behindReady) {
      this.#behindReady.push(() => super.onEvent(event));
      return;
    }
    super.onEvent(event);
    if (event.type !== "ready") return;
    this.#behindReady = [];
    setImmediate(() => {
      const behind = this.#behindReady ?? [];
      this.#behindReady = undefined;
      for (const tell of behind) tell();
    });
  }

  override onEnd(error?: EarwitnessError): void {
    if (this.#behindReady) {
      this.#behindReady.push(() => this.onEnd(error));
      return;
    }
    clearInterval(this.#keepAlive);
    this.#over = true;
    this.#failure = error;
    super.onEnd(error);
  }

  /** What the server understood. Throws before `connect` has resolved. */
  get ready(): ReadyEvent {
    if (this.#ready === undefined) throw new Error("the session is not ready");
    return this.#ready;
  }

  get id(): string {
    return this.ready.session_id;
  }

  /** How it stood at its end, once there is one; also where it ended badly. */
  get summary(): SummaryEvent | undefined {
    return this.#summary;
  }

  /**
   * Sends audio: any bytes of framing `raw`, or one whole packet of framing `packet`; at most 64 KiB. False when enough
   * is waiting to be sent: wait for {@link drained} before the next, unless the audio is live and cannot wait.
   * Throws the session's EarwitnessError once it has ended badly.
   */
  send(chunk: Uint8Array): boolean {
    this.#assertOpen();
    return this.#wire.audio(chunk);
  }

  /** Sends one packet of framing `sequenced`, otherwise as {@link send}. */
  sendPacket(packet: AudioPacket): boolean {
    this.#assertOpen();
    return this.#wire.packet(packet);
  }

  /** Resolves when more can be sent. Rejects with the session's EarwitnessError when it has ended badly. */
  async drained(): Promise<void> {
    await this.#wire.drained();
    if (this.#failure) throw this.#failure;
  }

  /** Asks for a score of what has been heard so far. */
  finalize(): void {
    this.#say({ type: "finalize" });
  }

  /** The audio stops on purpose: hold, mute. */
  pause(): void {
    this.#say({ type: "pause" });
  }

  /** It goes on; `gapMs` is the media time that passed unsent. */
  resume(gapMs?: number): void {
    this.#say({ type: "resume", ...(gapMs !== undefined && { gapMs }) });
  }

  annotate(annotation: Annotation): void {
    this.#say({ type: "annotate", ...annotation });
  }

  update(update: Update): void {
    this.#say({ type: "update", ...update });
  }

  /** Sent by itself while nothing else is said, unless `keepAliveMs` says otherwise. */
  keepAlive(): void {
    this.#say({ type: "keep_alive" });
  }

  /** No more audio comes: resolves with the summary, or rejects with an EarwitnessError. */
  async finish(): Promise<SummaryEvent> {
    if (!this.#finishing && !this.#over) this.#wire.finish();
    this.#finishing = true;
    await this.ended;
    if (this.#summary) return this.#summary;
    throw new EarwitnessError({
      code: "internal",
      message: "the session ended without a summary",
      retryable: true,
    });
  }

  /** Drops the connection. */
  abort(): void {
    this.#wire.abort();
  }

  #say(control: Control): void {
    this.#assertOpen();
    this.#wire.control(control);
  }

  #assertOpen(): void {
    if (this.#failure) throw this.#failure;
    if (this.#over || this.#finishing) throw new Error("the session has ended");
    this.#spoke = true;
  }
}
