import type { SessionEvent } from "../stream/events.ts";

/** Objects that are the client's own or are named by the wire: their keys stay. */
const opaque = new Set(["metadata", "details", "limits"]);

const snakes = new Map<string, string>();

function toSnake(key: string): string {
  let snake = snakes.get(key);
  if (snake === undefined) {
    snake = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    // Keys come from our own types alone, so this cannot grow without end.
    snakes.set(key, snake);
  }
  return snake;
}

/** The same value with snake_case keys all the way down; `metadata`, `details` and `limits` keep what they hold. */
export function toSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSnakeCase);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [toSnake(key), opaque.has(key) ? inner : toSnakeCase(inner)]),
  );
}

/** Audio as `start` names it: a rate is a `sample_rate` there. */
export function toWireAudio<T extends { readonly rate: number }>({ rate, ...audio }: T) {
  return { ...audio, sampleRate: rate };
}

/** One event as JSON text. */
export function toJson(event: SessionEvent): string {
  const named = event.type === "ready" ? { ...event, audio: toWireAudio(event.audio) } : event;
  return JSON.stringify(toSnakeCase(named));
}
