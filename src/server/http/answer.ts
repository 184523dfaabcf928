import type { ServerResponse } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Fault } from "../../stream/errors.ts";
import { toErrorBody } from "../fault-events.ts";
import { toSnakeCase } from "../wire-json.ts";
import { httpStatuses } from "./statuses.ts";

const secure = { "x-content-type-options": "nosniff", "cache-control": "no-store" };

/** Answers with JSON; the value is given in camelCase. */
export function answerJson(response: ServerResponse, status: number, value: unknown): void {
  answer(response, status, "application/json; charset=utf-8", JSON.stringify(toSnakeCase(value)));
}

export function answer(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    ...secure,
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    ...headers,
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

/** A fault as `{code, message, …}` under its status, or under `status` where HTTP has a better word for it. */
export function answerFault(
  response: ServerResponse,
  fault: Fault,
  status: number = httpStatuses[fault.code],
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(retryAfter(fault))) response.setHeader(name, value);
  answerJson(response, status, toFaultJson(fault));
}

/** The same for a request to upgrade, which has only a socket. Ends it. */
export function writeRefusal(socket: Duplex, fault: Fault): void {
  const status = httpStatuses[fault.code];
  const body = JSON.stringify(toSnakeCase(toFaultJson(fault)));
  const headers = {
    ...secure,
    ...retryAfter(fault),
    "content-type": "application/json; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`);
}

function toFaultJson(fault: Fault) {
  const { code, message, ...rest } = toErrorBody(fault);
  return { code, message, ...rest, type: undefined };
}

function retryAfter({ retryAfterMs }: Fault): Readonly<Record<string, string>> {
  return retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / 1000)) };
}
