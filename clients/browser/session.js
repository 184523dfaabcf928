// One session with the server: `start`, binary audio, `close`; events come back as JSON.

/** What a WebSocket's close code means where no `error` message came before it. */
const closeCodes = {
  1009: "message_too_large",
  1011: "internal",
  1012: "draining",
  1013: "at_capacity",
  4400: "bad_message",
  4401: "unauthenticated",
  4403: "forbidden",
  4404: "unknown_model",
  4408: "idle",
  4409: "duplicate_session",
  4412: "audio_before_start",
  4415: "unsupported_audio",
  4422: "undecodable_audio",
  4429: "too_fast",
};

/** Bytes handed to the browser and not yet sent, beyond which a recording waits. */
const maxUnsentBytes = 256 * 1024;
/** Well under the server's limit of 64 KiB for one message. */
const maxMessageBytes = 32 * 1024;

/** A failure with the name that the protocol gives it. */
export class SessionError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class Session {
  #socket;
  #onEvent;
  #failure;
  #ended;

  /** Rejects with a SessionError when the server cannot be reached or refuses the start. */
  static async open(start, onEvent) {
    const session = new Session(onEvent);
    await session.#open(start);
    return session;
  }

  constructor(onEvent) {
    this.#onEvent = onEvent;
  }

  /** Settles when the session is over: rejects with a SessionError unless it ended well. */
  get ended() {
    return this.#ended;
  }

  send(bytes) {
    for (let at = 0; at < bytes.byteLength; at += maxMessageBytes) {
      this.#socket.send(bytes.slice(at, at + maxMessageBytes));
    }
  }

  /** Resolves at once, or when the network has caught up. */
  async room() {
    while (this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount > maxUnsentBytes) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** No more audio: the last windows are scored and the summary comes. */
  finish() {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: "close" }));
  }

  #open(start) {
    const address = new URL("v1/stream", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address, ["earwitness.v1"]);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      socket.onopen = () => socket.send(JSON.stringify({ type: "start", version: 1, ...start }));
      socket.onmessage = ({ data }) => {
        const event = JSON.parse(data);
        if (event.type === "error") this.#failure = new SessionError(event.code, event.message);
        if (event.type === "ready") resolve();
        this.#onEvent(event);
      };
      this.#ended = new Promise((done, fail) => {
        socket.onclose = ({ code, reason }) => {
          const failure = this.#failure ?? toFailure(code, reason);
          reject(failure ?? new SessionError("internal", "the server hung up before it was ready"));
          if (failure === undefined) done();
          else fail(failure);
        };
      });
      // Whoever opened it hears of it by the rejection above.
      this.#ended.catch(() => undefined);
    });
  }
}

function toFailure(code, reason) {
  if (code === 1000) return undefined;
  const name = closeCodes[code];
  if (name !== undefined) return new SessionError(name, reason || "the server closed the connection");
  return new SessionError("connection_lost", "the connection to the server could not be made, or broke off");
}
