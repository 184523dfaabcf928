import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { Fault } from "../../stream/errors.ts";
import type { Host } from "../host-port.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { answer, answerFault, answerJson } from "./answer.ts";
import { detectBody } from "./detect-door.ts";
import { pageHeaders, type Page } from "./pages.ts";
import { decodeSegment } from "./segment.ts";
import { toDetectView, toModelView, toSessionView } from "./views.ts";

export interface RouterParts {
  readonly host: Host;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly pages: ReadonlyMap<string, Page>;
}

interface Visitor {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** What the path's pattern captured. */
  readonly id: string;
}

interface Route {
  readonly method: "GET" | "POST";
  readonly path: RegExp;
  readonly serve: (visitor: Visitor) => Promise<void> | void;
}

/** Recordings that arrive at a time, however slowly: each may hold 16 MiB. */
const maxUploads = 16;
const retryAfterMs = 1000;

/** The HTTP doors: JSON in snake_case, faults as `{code, message, …}`. */
export function createRouter(parts: RouterParts): RequestListener {
  const routes = createRoutes(parts);
  return (request, response) => {
    // A request whose body was given up has lost its socket.
    const { socket } = request;
    serve(routes, request, response).catch((reason: unknown) => {
      // Whoever left gets no answer, and that they left is no bug.
      if (socket.destroyed) return;
      const fault = Fault.from(reason);
      if (fault.code === "internal") parts.log.error({ err: fault.cause ?? fault }, "request failed");
      parts.metrics.faulted(fault.code);
      // What the client still sends is not worth reading.
      if (!request.complete) response.setHeader("connection", "close");
      answerFault(response, fault);
    });
  };
}

async function serve(
  routes: readonly Route[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { path, query } = parseTarget(request.url ?? "/");
  const here = routes.flatMap((route) => {
    const match = route.path.exec(path);
    return match === null ? [] : [{ route, id: match[1] ?? "" }];
  });
  const method = request.method === "HEAD" ? "GET" : request.method;
  const found = here.find(({ route }) => route.method === method);
  if (found !== undefined) {
    await found.route.serve({ request, response, query, id: found.id });
  } else if (here.length > 0) {
    response.setHeader("allow", here.map(({ route }) => route.method).join(", "));
    answerFault(response, new Fault("bad_message", "this method is not for this path"), 405);
  } else {
    answerFault(response, new Fault("bad_message", "there is nothing at this path"), 404);
  }
}

function createRoutes(parts: RouterParts): readonly Route[] {
  const { host, limits, metrics } = parts;
  let uploads = 0;
  const get = (path: RegExp, serve: Route["serve"]): Route => ({ method: "GET", path, serve });
  return [
    get(/^\/v1\/sessions$/, ({ query, response }) => {
      const sessions = host.sessions(query.get("call_id") ?? undefined);
      answerJson(response, 200, { sessions: sessions.map(toSessionView) });
    }),
    get(/^\/v1\/sessions\/([^/]{1,400})$/, ({ id, response }) => {
      answerJson(response, 200, toSessionView(host.session(decodeSegment(id))));
    }),
    get(/^\/v1\/models$/, ({ response }) => {
      answerJson(response, 200, { models: host.models().map(toModelView) });
    }),
    {
      method: "POST",
      path: /^\/v1\/detect$/,
      serve: async (visitor) => {
        if (uploads >= maxUploads)
          throw new Fault("at_capacity", "too many uploads at a time", { retryAfterMs });
        uploads++;
        try {
          const outcome = await detectBody(host, visitor, limits.recordingBytes);
          answerJson(visitor.response, 200, toDetectView(outcome));
        } finally {
          uploads--;
        }
      },
    },
    get(/^\/healthz$/, ({ response }) => answerJson(response, 200, { status: "ok" })),
    get(/^\/readyz$/, ({ response }) => {
      if (!host.accepting) throw new Fault("draining", "the server is stopping", { retryAfterMs });
      answerJson(response, 200, { status: "ready" });
    }),
    get(/^\/metrics$/, async ({ response }) => {
      answer(response, 200, metrics.contentType, await metrics.text());
    }),
    ...[...parts.pages].map(([path, page]) =>
      get(new RegExp(`^${path.replaceAll(".", "\\.")}$`), ({ response }) => {
        answer(response, 200, page.contentType, page.body, pageHeaders);
      }),
    ),
  ];
}

function parseTarget(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const [path = "/", query = ""] = target.split("?", 2);
  return { path, query: new URLSearchParams(query) };
}
