import type { ClientMessage, Connection, EventSink } from "../../src/server/connection.ts";
import type {
  DetectOutcome,
  Host,
  Recording,
  ServedModel,
  SessionSnapshot,
  WatchTarget,
} from "../../src/server/host-port.ts";
import { Fault } from "../../src/stream/errors.ts";

/** One connection that a {@link ScriptedHost} was given, and what came over it. */
export interface Visit {
  readonly connection: Connection;
  readonly messages: readonly ClientMessage[];
  /** How its messages ended: "complete", or the error. */
  readonly ended: Promise<unknown>;
}

export interface Watcher {
  readonly target: WatchTarget;
  readonly sink: EventSink;
  stopped: boolean;
}

const model: ServedModel = {
  id: "default",
  version: "1.2.3",
  digest: "ab12",
  calibrationId: null,
  family: "compact",
  licence: "Apache-2.0",
  sampleRate: 16_000,
  windowMs: 4000,
  provider: "cpu",
  isDefault: true,
};

/** A host that records what a transport hands it and does what a test says. */
export class ScriptedHost implements Host {
  accepting = true;
  /** Whether a connection is read at once. */
  reads = true;
  snapshots: readonly SessionSnapshot[] = [];
  readonly watched: Watcher[] = [];
  readonly asked: { readonly recording: Recording; readonly detection: unknown }[] = [];
  onVisit: (visit: Visit) => void = () => undefined;
  onMessage: (message: ClientMessage, connection: Connection) => void = () => undefined;
  onWatch: (target: WatchTarget, sink: EventSink) => void = () => undefined;
  onDetect: (recording: Recording, signal: AbortSignal) => Promise<DetectOutcome> = () =>
    Promise.resolve({ model: "default", channels: [] });
  onSession: (sessionId: string) => SessionSnapshot = (sessionId) => {
    throw new Fault("unknown_session", `no session ${sessionId}`);
  };

  accept(connection: Connection): void {
    const messages: ClientMessage[] = [];
    const ended = this.reads ? this.#read(connection, messages) : Promise.resolve();
    this.onVisit({ connection, messages, ended });
  }

  #read(connection: Connection, messages: ClientMessage[]): Promise<unknown> {
    return new Promise((resolve) => {
      connection.messages.subscribe({
        next: (message) => {
          messages.push(message);
          this.onMessage(message, connection);
        },
        error: (reason: unknown) => {
          connection.close(Fault.from(reason));
          resolve(reason);
        },
        complete: () => {
          connection.close();
          resolve("complete");
        },
      });
    });
  }

  watch(target: WatchTarget, sink: EventSink): () => void {
    this.onWatch(target, sink);
    const watcher = { target, sink, stopped: false };
    this.watched.push(watcher);
    return () => {
      watcher.stopped = true;
    };
  }

  session(sessionId: string): SessionSnapshot {
    return this.onSession(sessionId);
  }

  sessions(callId?: string): readonly SessionSnapshot[] {
    return this.snapshots.filter(({ ready }) => callId === undefined || ready.callId === callId);
  }

  models(): readonly ServedModel[] {
    return [model];
  }

  detect(recording: Recording, detection: unknown, signal: AbortSignal): Promise<DetectOutcome> {
    this.asked.push({ recording, detection });
    return this.onDetect(recording, signal);
  }

  drain(): Promise<void> {
    return Promise.resolve();
  }
}
