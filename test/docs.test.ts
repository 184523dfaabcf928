import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, it } from "node:test";
import type { DescEnum, DescField, DescMessage } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { z } from "zod";
import {
  Alert_StatusSchema,
  AnnotateSchema,
  AudioPacketSchema,
  ChannelStateSchema,
  CloseSchema,
  ControlSchema,
  DetectionConfigSchema,
  DetectResponseSchema,
  EncodingSchema,
  EventKindSchema,
  FinalizeSchema,
  FramingSchema,
  Gap_CauseSchema,
  KeepAliveSchema,
  PaceSchema,
  PauseSchema,
  ReasonSchema,
  ResultsConfigSchema,
  ResumeSchema,
  ServedModelSchema,
  SessionEventSchema,
  SessionSchema,
  SpoofDetection,
  StreamingConfigSchema,
  Summary_EndedBySchema,
  UpdateSchema,
  VerdictSchema,
  Warning_CodeSchema,
} from "../src/gen/earwitness/v1/earwitness_pb.ts";
import { settings } from "../src/server/config.ts";
import { grpcStatus } from "../src/server/grpc/status.ts";
import { httpStatuses } from "../src/server/http/statuses.ts";
import { toDetectView, toModelView, toSessionView } from "../src/server/http/views.ts";
import { defaultLimits, toWireLimits } from "../src/server/limits.ts";
import { closeCodes } from "../src/server/websocket/close-codes.ts";
import { createJsonDialect } from "../src/server/websocket/dialect.ts";
import { toJson, toSnakeCase } from "../src/server/wire-json.ts";
import { annotationKinds } from "../src/stream/commands.ts";
import { codeHeaderBytes } from "../src/stream/code-window.ts";
import { codesRate, opusRates, pcmRates } from "../src/stream/decode-format.ts";
import { faultCodes, faults } from "../src/stream/errors.ts";
import { eventKinds } from "../src/stream/events.ts";
import { codesEncoding, encodings } from "../src/stream/ports.ts";
import { millis } from "../src/stream/units.ts";
import { codeMessage } from "./support/code-windows.ts";
import {
  anchors,
  blocks,
  headings,
  links,
  markdownFiles,
  read,
  root,
  section,
  spans,
  table,
} from "./support/markdown.ts";
import { sampleBodies, toEvent } from "./support/sample-events.ts";

const protocol = read("docs/protocol.md");
const readme = read("README.md");
const dialect = createJsonDialect(defaultLimits.metadataBytes);

const sorted = (names: Iterable<string>): string[] => [...names].sort();

/** The code spans in the first column of a table. */
const firstColumn = (text: string, head: string): string[] =>
  table(text, head).flatMap(([cell]) => spans(cell));

/** A value's fields by their dotted names; objects that are the client's own, or named by the wire, are one field. */
function leaves(value: unknown, path = ""): string[] {
  if (Array.isArray(value) && value.some((one) => typeof one === "object")) {
    return [...new Set(value.flatMap((one) => leaves(one, `${path}[]`)))];
  }
  const isOpaque = ["metadata", "limits", "details"].includes(path);
  if (isOpaque || Array.isArray(value) || typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([name, inner]) =>
    leaves(inner, path === "" ? name : `${path}.${name}`),
  );
}

/** A message's fields in the same way; maps, Structs and lists of scalars are one field. */
function fieldsOf(message: DescMessage, path = ""): string[] {
  return message.fields.flatMap((field) => {
    const name = path === "" ? field.name : `${path}.${field.name}`;
    const inner = innerOf(field);
    if (inner === undefined) return [name];
    return fieldsOf(inner, field.fieldKind === "list" ? `${name}[]` : name);
  });
}

function innerOf(field: DescField): DescMessage | undefined {
  const message = field.fieldKind === "message" || field.fieldKind === "list" ? field.message : undefined;
  return message?.typeName.startsWith("google.") === true ? undefined : message;
}

/** An enum's values as JSON names them. */
const namesOf = (values: DescEnum): string[] =>
  values.values
    .filter(({ number }) => number !== 0)
    .map(({ name }) => name.slice(values.sharedPrefix?.length ?? 0).toLowerCase());

const clientMessages = {
  start: StreamingConfigSchema,
  keep_alive: KeepAliveSchema,
  pause: PauseSchema,
  resume: ResumeSchema,
  finalize: FinalizeSchema,
  update: UpdateSchema,
  annotate: AnnotateSchema,
  close: CloseSchema,
} as const;

/** The event of the `oneof` that has this name. */
function eventMessage(kind: string): DescMessage {
  const field = SessionEventSchema.fields.find((one) => one.name === kind);
  assert.ok(field?.fieldKind === "message", kind);
  return field.message;
}

const voice = z.object({ ever_suspect: z.number(), channels: z.array(z.unknown()) });
type Voice = z.infer<typeof voice>;

/** What is shown of `training/evaluation.json`. */
const evaluation = z.object({
  conditions: z.record(
    z.string(),
    z.object({
      human_clips: z.number(),
      all: z.object({ eer: z.number(), interval: z.tuple([z.number(), z.number()]), clips: z.number() }),
    }),
  ),
  channels: z.record(z.string(), z.object({ human: voice, machine: voice })),
});

const envelope = ["seq", "session_id", "t_media_ms"];

const readText = (text: string) => dialect.read({ bytes: Buffer.from(text), isBinary: false });

/** A JSON text that must be an object with a `type`. */
function parseTyped(text: string): { type: string } & Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  assert.ok(
    typeof value === "object" && value !== null && "type" in value && typeof value.type === "string",
    text,
  );
  return { ...value, type: value.type };
}

/** Every JSON object that the page shows, one for each block or line. */
const examples = [
  ...blocks(protocol, "json"),
  ...blocks(protocol, "jsonl").flatMap((lines) => lines.trim().split("\n")),
].map((text) => ({ text, value: parseTyped(text) }));

describe("docs/protocol.md", () => {
  describe("faults", () => {
    const rows = table(section(protocol, "Faults"), "fault");

    it("has a row for every fault, in their order, and no other", () => {
      assert.deepEqual(
        rows.map(([fault]) => spans(fault)[0]),
        faultCodes,
      );
    });

    it("says each fault's close code, gRPC status, HTTP status and whether to retry as the code does", () => {
      const said = rows.map((row) => [row[1], spans(row[2])[0], row[3], row[4]]);
      const done = faultCodes.map((code) => [
        String(closeCodes[code]),
        status[grpcStatus[code]],
        String(httpStatuses[code]),
        faults[code].retryable ? "yes" : "no",
      ]);
      assert.deepEqual(said, done);
    });

    it("says when each of them comes", () => {
      for (const row of rows) assert.ok((row[5] ?? "") !== "", row[0]);
    });
  });

  describe("client messages", () => {
    const messages = section(protocol, "Client messages");

    it("describes every message of the gRPC schema and no other", () => {
      const described = headings(messages, 3).flatMap(spans);
      assert.deepEqual(sorted(described), sorted(Object.keys(clientMessages)));
      const controls = ControlSchema.fields.map(({ name }) => name);
      assert.deepEqual(sorted(described), sorted(["start", ...controls]));
    });

    for (const [type, schema] of Object.entries(clientMessages)) {
      it(`lists the fields of ${type} as the gRPC schema does`, () => {
        const text = section(messages, `\`${type}\``);
        const names = type === "update" ? UpdateSchema.fields.map(({ name }) => name) : fieldsOf(schema);
        if (names.length === 0) assert.match(text.trim(), /^No fields\./);
        else assert.deepEqual(sorted(firstColumn(text, "field")), sorted(names));
      });
    }

    it("may say that update's fields are start's", () => {
      for (const [name, schema] of [
        ["detection", DetectionConfigSchema],
        ["results", ResultsConfigSchema],
      ] as const) {
        for (const message of [UpdateSchema, StreamingConfigSchema]) {
          const field = message.fields.find((one) => one.name === name);
          assert.ok(field?.fieldKind === "message" && field.message === schema, name);
        }
      }
    });

    it("says the bounds of numbers and names as the dialect has them", () => {
      const start = { type: "start", audio: { encoding: "opus", channels: 1 } };
      const bounds = (type: string, field: string): number[] => {
        const row = table(section(messages, `\`${type}\``), "field").find(
          ([cell]) => spans(cell)[0] === field,
        );
        return [...(row?.join(" ").matchAll(/\d[\d,]*/g) ?? [])].map(([found]) =>
          Number(found.replaceAll(",", "")),
        );
      };
      const asHop = (n: number) => ({ ...start, detection: { hop_ms: n } });
      const asSpeech = (n: number) => ({ ...start, detection: { min_speech_ms: n } });
      const asName = (n: number) => ({ ...start, session_id: "a".repeat(n) });
      const asLabel = (n: number) => ({
        ...start,
        audio: { ...start.audio, channel_labels: ["a".repeat(n)] },
      });
      const asResume = (n: number) => ({ type: "resume", gap_ms: n });
      const asGap = (n: number) => ({ type: "annotate", kind: "gap", gap_ms: n });
      for (const [found, least, most, step, message] of [
        [bounds("start", "detection.hop_ms"), 250, 5000, 20, asHop],
        [bounds("start", "detection.min_speech_ms"), 0, 60_000, 1, asSpeech],
        [bounds("start", "session_id"), 1, 128, 1, asName],
        [bounds("start", "audio.channel_labels"), 1, 64, 1, asLabel],
        [bounds("resume", "gap_ms"), 0, 14_400_000, 1, asResume],
        [bounds("annotate", "gap_ms"), 0, 14_400_000, 1, asGap],
      ] as const) {
        assert.ok(found.includes(most) && (least === 0 || found.includes(least)), `${least} to ${most}`);
        const say = (n: number) => readText(JSON.stringify(message(n)));
        say(Math.ceil(least / step) * step);
        say(most);
        const isRefused = { code: "bad_message" };
        assert.throws(() => say(most + step), isRefused, `above ${most}`);
        assert.throws(() => say(Math.floor((least - 1) / step) * step), isRefused, `under ${least}`);
      }
    });

    it("lists the kinds of annotation", () => {
      const text = section(messages, "`annotate`");
      assert.deepEqual(sorted(firstColumn(text, "annotation")), sorted(annotationKinds));
    });

    it("lists aliases that the dialect reads as the messages they stand for, and all of them", () => {
      const rows = table(messages, "alias").map((row) => row.flatMap(spans));
      for (const [alias, type] of rows) assert.equal(readText(JSON.stringify({ type: alias })).type, type);
      const inCode = /const aliases\b(.*?);\n/s.exec(read("src/server/websocket/dialect.ts"))?.[1] ?? "";
      assert.equal(rows.length, [...inCode.matchAll(/"(?:close|finalize|keep_alive)"/g)].length);
    });

    it("shows an example of every message, and the dialect accepts each", () => {
      const shown = examples.filter(({ value: { type } }) => Object.hasOwn(clientMessages, type));
      for (const { text, value } of shown) assert.equal(readText(text).type, value.type);
      assert.deepEqual(new Set(shown.map(({ value }) => value.type)), new Set(Object.keys(clientMessages)));
    });

    it("shows no field that the schema does not have", () => {
      for (const { text, value } of examples) {
        const { type, ...said } = value;
        const schema = Object.entries(clientMessages).find(([name]) => name === type)?.[1];
        if (schema === undefined || Object.keys(said).length === 0) continue;
        const known = fieldsOf(schema);
        for (const name of leaves(said)) assert.ok(known.includes(name), `${name} in ${text}`);
      }
    });
  });

  describe("events", () => {
    const events = section(protocol, "Events");

    it("describes every event of the code and of the gRPC schema, and no other", () => {
      const described = headings(events, 3).flatMap(spans);
      assert.deepEqual(sorted(described), sorted(eventKinds));
      const arms = SessionEventSchema.fields
        .map(({ name }) => name)
        .filter((name) => !envelope.includes(name));
      assert.deepEqual(sorted(described), sorted(arms));
    });

    it("lists what every event carries", () => {
      const [common = ""] = events.split("\n### ");
      assert.deepEqual(firstColumn(common, "field"), envelope);
    });

    for (const kind of eventKinds) {
      const documented = () => firstColumn(section(events, `\`${kind}\``), "field");

      it(`lists the fields of ${kind} as the gRPC schema does`, () => {
        assert.deepEqual(sorted(documented()), sorted(fieldsOf(eventMessage(kind))));
      });

      it(`lists the fields of ${kind} as JSON has them`, () => {
        const written = sampleBodies
          .filter(({ type }) => type === kind)
          .map((body) => leaves(JSON.parse(toJson(toEvent(body)))));
        assert.ok(written.length > 0, "no sample");
        const fields = written[0]?.filter((name) => name !== "type" && !envelope.includes(name)) ?? [];
        assert.deepEqual(sorted(fields), sorted(documented()));
      });

      it(`shows a ${kind} with exactly these fields`, () => {
        const shown = examples.filter(({ value: { type } }) => type === kind);
        assert.ok(shown.length > 0, "no example");
        const optional = table(section(events, `\`${kind}\``), "field").flatMap((row) =>
          row[2]?.startsWith("absent") === true ? spans(row[0]) : [],
        );
        for (const { value } of shown) {
          const fields = leaves(value);
          for (const name of fields) assert.ok(["type", ...envelope, ...documented()].includes(name), name);
          for (const name of documented()) assert.ok(fields.includes(name) || optional.includes(name), name);
          for (const name of envelope) assert.ok(fields.includes(name), name);
        }
      });
    }

    it("shows a ready with every limit at its default", () => {
      const ready = examples.find(({ value }) => value.type === "ready")?.value;
      assert.deepEqual(ready?.["limits"], toWireLimits(defaultLimits));
    });
  });

  describe("names", () => {
    const rows = new Map(
      table(section(protocol, "Names"), "field").flatMap(([field, values]) =>
        spans(field).map((name) => [name, spans(values)] as const),
      ),
    );
    const enums: Readonly<Record<string, DescEnum>> = {
      verdict: VerdictSchema,
      state: ChannelStateSchema,
      from: ChannelStateSchema,
      to: ChannelStateSchema,
      reason: ReasonSchema,
      "alert.status": Alert_StatusSchema,
      "gap.cause": Gap_CauseSchema,
      "warning.code": Warning_CodeSchema,
      ended_by: Summary_EndedBySchema,
      pace: PaceSchema,
      encoding: EncodingSchema,
      framing: FramingSchema,
      "results.kinds": EventKindSchema,
    };

    it("lists the values of every enum of the gRPC schema", () => {
      assert.deepEqual(sorted(rows.keys()), sorted(Object.keys(enums)));
      for (const [name, values] of rows)
        assert.deepEqual(values, namesOf(enums[name] ?? VerdictSchema), name);
      const schemas = new Set<DescEnum>(Object.values(enums));
      const { file } = SpoofDetection;
      const nested = file.messages.flatMap((message) => message.nestedEnums);
      for (const one of [...file.enums, ...nested]) assert.ok(schemas.has(one), one.typeName);
    });

    it("explains every reason and every cause", () => {
      const text = section(protocol, "Names");
      assert.deepEqual(sorted(firstColumn(text, "reason")), sorted(namesOf(ReasonSchema)));
      assert.deepEqual(sorted(firstColumn(text, "cause")), sorted(namesOf(Gap_CauseSchema)));
    });
  });

  describe("audio", () => {
    const audio = section(protocol, "Audio");

    it("lists every encoding with its rates, and every framing", () => {
      assert.deepEqual(firstColumn(audio, "encoding"), [...encodings]);
      assert.deepEqual(firstColumn(audio, "framing"), namesOf(FramingSchema));
      const rates = (encoding: string) =>
        table(audio, "encoding")
          .find(([cell]) => spans(cell)[0] === encoding)?.[2]
          ?.match(/\b\d{4,5}\b/g)
          ?.map(Number);
      assert.deepEqual(rates("pcm_s16le"), [...pcmRates]);
      assert.deepEqual(rates("opus"), [...opusRates]);
    });

    it("describes the header of a window of codes, and the encoding that has it", () => {
      const text = section(protocol, "Private mode");
      assert.deepEqual(
        table(text, "bytes").map(([bytes, type, field]) => [bytes, type, spans(field)[0]]),
        [
          ["0", "u8", "version"],
          ["1–4", "u32", "index"],
          ["5–12", "u64", "start_sample"],
          ["13–14", "u16", "speech_ms"],
          ["15–16", "u16", "frames"],
        ],
      );
      const [, ...last] = codeMessage(258, { start: 772, speechMs: 1286 });
      assert.deepEqual(last.slice(0, 16), [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 5, 6, 0, 202]);
      assert.ok(text.includes(`\`${codesEncoding}\``));
      assert.ok(text.includes(`is ${codesRate}`));
      assert.ok(text.includes(`${(codeMessage(0).length - codeHeaderBytes).toLocaleString("en")} bytes`));
    });

    it("describes the packet header, of which gRPC has the fields that say something", () => {
      const fields = table(section(audio, "The header of `sequenced`"), "bytes").map(
        (row) => spans(row[2])[0],
      );
      assert.deepEqual(fields, ["version", "channel", "flags", "seq", "media_timestamp"]);
      const packet = AudioPacketSchema.fields.map(({ name }) => name);
      assert.deepEqual(
        sorted(packet),
        sorted(["payload", ...fields.filter((name) => name !== "version" && name !== "flags")].map(String)),
      );
    });
  });

  describe("doors", () => {
    it("lists the routes that the router has", () => {
      const routes = read("src/server/http/router.ts");
      const doors = firstColumn(section(protocol, "HTTP"), "request");
      const posts = doors.filter((door) => door.startsWith("POST "));
      assert.equal(posts.length, [...routes.matchAll(/method: "POST",/g)].length);
      const inCode = [...routes.matchAll(/(?:get\(|path: )\/\^(.*?)\$\/,/g)].map(([, path = ""]) =>
        path.replaceAll("\\/", "/").replace(/\(.*\)/, "{id}"),
      );
      const listed = doors.map((door) => door.split(" ")[1] ?? "").filter((path) => path !== "/");
      assert.deepEqual(sorted(listed), sorted(inCode));
    });

    it("lists the methods of the gRPC service with their kinds", () => {
      const rows = table(section(protocol, "gRPC"), "method").map((row) => [spans(row[0])[0], row[1]]);
      const kinds = { bidi_streaming: "bidirectional", server_streaming: "server streaming", unary: "unary" };
      const methods = SpoofDetection.methods.map(({ name, methodKind }) => [
        name,
        Object.entries(kinds).find(([kind]) => kind === methodKind)?.[1],
      ]);
      assert.deepEqual(rows, methods);
    });

    it("lists the fields of a judged recording as gRPC and HTTP have them", () => {
      const documented = firstColumn(section(protocol, "HTTP"), "field of the answer");
      assert.deepEqual(sorted(documented), sorted(fieldsOf(DetectResponseSchema)));
      const window = { startMs: millis(0), endMs: millis(4000), speechMs: millis(3000), llr: 1, pSpoof: 0.7 };
      const channel = {
        channel: 0,
        state: "suspect",
        reason: null,
        llr: 1,
        pSpoof: 0.7,
        speechMs: millis(3000),
      } as const;
      const view = toDetectView({
        model: "m",
        seed: 1,
        channels: [{ ...channel, windows: [{ ...window, verdict: "spoof", reason: null }] }],
      });
      assert.deepEqual(sorted(leaves(toSnakeCase(view))), sorted(documented));
    });

    it("lists the fields of a session and of a model as gRPC and HTTP have them", () => {
      const text = section(protocol, "HTTP");
      const listed = (subject: string) => spans(text.split(`**${subject}** has `)[1]?.split("\n\n")[0]);
      const ready = sampleBodies.find((body) => body.type === "ready");
      assert.ok(ready !== undefined);
      const snapshot = {
        sessionId: "s",
        transport: "grpc",
        tMediaMs: millis(1),
        ready,
        channels: [],
      } as const;
      const own = { id: "m", version: "1", digest: "d", calibrationId: null, family: "f", licence: "l" };
      const model = { ...own, sampleRate: 16_000, windowMs: 4000, provider: "cpu", isDefault: true };
      for (const [subject, view, schema] of [
        ["A session", toSessionView(snapshot), SessionSchema],
        ["A model", toModelView(model), ServedModelSchema],
      ] as const) {
        const fields = Object.keys(toSnakeCase(view) ?? {});
        assert.deepEqual(sorted(schema.fields.map(({ name }) => name)), sorted(fields), subject);
        const others = ["websocket", "grpc", "ready", "summary"];
        assert.deepEqual(
          sorted(listed(subject).filter((name) => !others.includes(name))),
          sorted(fields),
          subject,
        );
      }
    });
  });

  describe("limits", () => {
    const rows = table(section(protocol, "Limits"), "name");

    it("lists every limit with its default", () => {
      const listed = Object.fromEntries(rows.map(([name, value]) => [spans(name)[0] ?? "", Number(value)]));
      assert.deepEqual(listed, toWireLimits(defaultLimits));
    });

    it("names the setting behind each limit, which has the same default", () => {
      for (const [, value, variable] of rows) {
        const setting = settings.find(({ name }) => name === spans(variable)[0]);
        assert.equal(setting?.default, value, variable);
      }
    });
  });
});

describe("README.md", () => {
  it("lists every setting with its default and meaning, and no other", () => {
    const rows = table(section(readme, "Configuration"), "setting").map(([name, fallback, meaning]) => ({
      name: spans(name)[0],
      default: fallback?.replaceAll("`", ""),
      meaning,
    }));
    const known = settings.map((setting) => ({ ...setting, default: setting.default.replaceAll("`", "") }));
    assert.deepEqual(rows, known);
  });

  it("gives the error rates that the evaluation found", () => {
    const { conditions, channels } = evaluation.parse(JSON.parse(read("training/evaluation.json")));
    const percent = (share: number): string => (100 * share).toFixed(1);
    const flagged = (voice: Voice | undefined): string =>
      `${voice?.ever_suspect} of ${voice?.channels.length}`;
    const found = Object.entries(conditions).map(([condition, { all }]) => [
      condition,
      `${percent(all.eer)} % (${all.interval.map(percent).join("–")})`,
      flagged(channels[condition]?.machine),
      flagged(channels[condition]?.human),
    ]);
    const text = section(readme, "How good it is");
    assert.deepEqual(table(text, "heard"), found);
    const { human_clips, all } = Object.values(conditions)[0] ?? assert.fail("no condition");
    assert.ok(text.includes(`${human_clips} human and ${all.clips} machine clips`));
  });

  it("has at most 200 lines", () => {
    assert.ok(readme.split("\n").length <= 201, String(readme.split("\n").length));
  });

  it("names only npm scripts that exist", () => {
    const manifest: unknown = JSON.parse(read("package.json"));
    assert.ok(typeof manifest === "object" && manifest !== null && "scripts" in manifest);
    const { scripts } = manifest;
    assert.ok(typeof scripts === "object" && scripts !== null);
    for (const file of ["README.md", "CONTRIBUTING.md"]) {
      for (const [, script = ""] of read(file).matchAll(/\bnpm run ([\w:]+)/g)) {
        assert.ok(Object.hasOwn(scripts, script), `${file}: npm run ${script}`);
      }
    }
  });
});

describe("docs/models.md", () => {
  it("quotes the messages of a failed import as they are", () => {
    const folder = "src/models/import";
    const sources = readdirSync(join(root, folder)).filter((name) => !name.endsWith(".test.ts"));
    const said = sources.flatMap((name) => read(join(folder, name)).split("\n"));
    const elsewhere = read("src/models/checkpoint/state-dict.ts").split("\n");
    const rows = table(section(read("docs/models.md"), "When an import fails"), "message");
    for (const [message = ""] of rows) {
      // Behind a file's name stands what was wrong with it, and an ellipsis stands for what differs each time.
      const parts = message
        .replaceAll("`", "")
        .replace(/^[\w.]+: /, "")
        .split("…");
      const holds = (line: string): boolean => parts.every((part) => line.includes(part.trim()));
      assert.ok([...said, ...elsewhere].some(holds), message);
    }
    assert.ok(rows.length >= 5);
  });
});

describe("every page", () => {
  const files = markdownFiles();

  it("is found", () => {
    for (const file of ["README.md", "ARCHITECTURE.md", "docs/protocol.md"])
      assert.ok(files.includes(file), file);
  });

  it("links to files and headings that exist", () => {
    let count = 0;
    for (const file of files) {
      for (const target of links(read(file)).filter((link) => !/^[a-z]+:/.test(link))) {
        const [path = "", anchor] = target.split("#", 2);
        const linked = path === "" ? file : normalize(join(dirname(file), path));
        assert.ok(existsSync(join(root, linked)), `${file}: ${target}`);
        if (anchor !== undefined && statSync(join(root, linked)).isFile()) {
          assert.ok(anchors(read(linked)).has(anchor), `${file}: ${target}`);
        }
        count++;
      }
    }
    assert.ok(count > 30, `only ${count} links`);
  });

  it("names no path of anybody's machine", () => {
    for (const file of files) {
      const found = /(?:^|[\s"'`(=:])\/(?:home|root|work|tmp|mnt|Users|private)\/[\w.-]+/m.exec(read(file));
      assert.equal(found?.[0], undefined, file);
    }
  });
});
