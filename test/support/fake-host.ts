import { createDecoder } from "../../src/stream/decode.ts";
import type { Detector } from "../../src/stream/ports.ts";
import { detectRecording } from "../../src/stream/recording.ts";
import { createSession } from "../../src/stream/session.ts";
import type { Clock } from "../../src/server/clock.ts";
import { SessionHost, type HostParts } from "../../src/server/host.ts";
import { defaultLimits, type Limits } from "../../src/server/limits.ts";
import { createLog } from "../../src/server/log.ts";
import { createMetrics } from "../../src/server/metrics.ts";
import { RecordingDesk, type RecordingDeskParts } from "../../src/server/recording-desk.ts";
import { fakeDetector } from "./fakes.ts";

export interface FakeHostOptions {
  readonly clock: Clock;
  readonly limits?: Partial<Limits>;
  readonly detector?: Detector;
  readonly parts?: Partial<HostParts>;
  /** In place of the real one. */
  readonly detectRecording?: RecordingDeskParts["detectRecording"];
}

/** A host whose detector is a function, without sockets. What it logged is in `logged`. */
export function fakeHost(options: FakeHostOptions) {
  const { clock, limits: given, detector = fakeDetector(() => 1), parts } = options;
  const logged: string[] = [];
  const log = createLog("debug", { write: (line: string) => void logged.push(line) });
  const limits = { ...defaultLimits, ...given };
  const metrics = createMetrics(limits);
  metrics.close();
  const { id, version, digest, calibrationId } = detector.spec;
  const host = new SessionHost({
    clock,
    limits,
    metrics,
    log,
    createDecoder: (format) => createDecoder(format, undefined),
    createSession,
    operator: { thresholds: {} },
    recordings: new RecordingDesk({
      limits,
      metrics,
      createDecoder: (format) => createDecoder(format, undefined),
      readAudio: (content) => Promise.resolve({ rate: 16_000, channels: [new Float32Array(content.length)] }),
      detectRecording: options.detectRecording ?? detectRecording,
    }),
    models: [
      {
        detector,
        served: {
          ...{
            id,
            version,
            digest,
            calibrationId: calibrationId ?? null,
            family: "fake",
            licence: "Apache-2.0",
          },
          ...{ sampleRate: 16_000, windowMs: 4000, provider: "cpu", isDefault: true },
        },
      },
    ],
    ...parts,
  });
  return { host, log, logged, metrics, limits };
}
