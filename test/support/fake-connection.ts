import { Observable, Subject } from "rxjs";
import type { ClientMessage, Connection, EventSink, StartRequest } from "../../src/server/connection.ts";
import { parseStart } from "../../src/server/start.ts";
import type { Fault } from "../../src/stream/errors.ts";
import type { SessionEvent } from "../../src/stream/events.ts";

/** A sink that keeps what it is sent; its backlog is what the test says. */
export class FakeSink implements EventSink {
  readonly events: SessionEvent[] = [];
  readonly closes: (Fault | undefined)[] = [];
  backlog: number | ((sent: number) => number) = 0;

  send(event: SessionEvent): void {
    this.events.push(event);
  }

  backlogBytes(): number {
    return typeof this.backlog === "number" ? this.backlog : this.backlog(this.events.length);
  }

  close(fault?: Fault): void {
    this.closes.push(fault);
  }

  get types(): string[] {
    return this.events.map((event) =>
      event.type === "warning" || event.type === "error" ? `${event.type} ${event.code}` : event.type,
    );
  }

  of<T extends SessionEvent["type"]>(type: T): Extract<SessionEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<SessionEvent, { type: T }> => event.type === type);
  }
}

/** A client in memory: the test speaks for it. */
export class FakeConnection extends FakeSink implements Connection {
  readonly transport = "websocket";
  readonly client = new Subject<ClientMessage>();
  readonly valveCalls: string[] = [];
  /** Whether the host is still listening. */
  listening = false;
  readonly messages = new Observable<ClientMessage>((subscriber) => {
    this.listening = true;
    const subscription = this.client.subscribe(subscriber);
    return () => {
      this.listening = false;
      subscription.unsubscribe();
    };
  });
  readonly valve = {
    pause: () => {
      this.valveCalls.push("pause");
    },
    resume: () => {
      this.valveCalls.push("resume");
    },
  };

  start(said: Record<string, unknown> = {}): void {
    this.client.next({ type: "start", request: startRequest(said) });
  }

  /** Sends silence: so many samples of PCM s16le. */
  audio(samples: number): void {
    this.client.next({ type: "audio", chunk: new Uint8Array(samples * 2) });
  }
}

/** A checked `start` for 16 kHz mono PCM, with what is said over it. */
export function startRequest(said: Record<string, unknown> = {}): StartRequest {
  return parseStart({
    audio: { encoding: "pcm_s16le", sample_rate: 16_000, channels: 1 },
    ...said,
  });
}
