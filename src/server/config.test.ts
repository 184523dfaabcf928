import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { describe, it } from "node:test";
import { ConfigError, readConfig, settings } from "./config.ts";
import { defaultLimits } from "./limits.ts";

describe("the configuration", () => {
  it("is the contract's when nothing is set", () => {
    assert.deepEqual(readConfig({ HOME: "/home/a", XDG_DATA_HOME: "/data" }), {
      ...{ host: "127.0.0.1", port: 8080, grpcPort: 50_051, logLevel: "info" },
      ...{ model: "default", modelsDir: "/data/earwitness/models", providers: ["cuda", "cpu"] },
      ...{ requireGpu: false, allowSoftwareGpu: false, workers: Math.max(1, availableParallelism() - 1) },
      ...{ allowedOrigins: [], limits: defaultLimits, detection: { thresholds: {} } },
    });
  });

  it("refuses names that it does not know and values that cannot be, all of them at once", () => {
    const wrong = {
      ...{ EARWITNESS_PROT: "80", EARWITNESS_PORT: "65536", EARWITNESS_REQUIRE_GPU: "perhaps" },
      ...{ EARWITNESS_HOP_MS: "510", EARWITNESS_PROVIDERS: "cpu,cpu", EARWITNESS_WORKERS: "1.5" },
    };
    assert.throws(
      () => readConfig(wrong),
      (error) => {
        assert.ok(error instanceof ConfigError);
        const lines = error.message.split("\n");
        assert.equal(lines.length, 6);
        for (const name of Object.keys(wrong)) {
          assert.ok(
            lines.some((line) => line.startsWith(`${name}: `)),
            name,
          );
        }
        return true;
      },
    );
  });

  it("takes false for false", () => {
    assert.equal(readConfig({ EARWITNESS_REQUIRE_GPU: "false" }).requireGpu, false);
    assert.equal(readConfig({ EARWITNESS_REQUIRE_GPU: "true" }).requireGpu, true);
  });

  it("carries limits and the tally's constants", () => {
    const { allowedOrigins, detection, limits, providers } = readConfig({
      ...{ EARWITNESS_MAX_SESSIONS: "5", EARWITNESS_PRIOR: "0.01", EARWITNESS_SPOOF_EXIT: "0.7" },
      ...{ EARWITNESS_HALF_LIFE_S: "30", EARWITNESS_PROVIDERS: " webgpu , cpu" },
      EARWITNESS_ALLOWED_ORIGINS: "https://a.example, https://b.example",
    });
    assert.equal(limits.sessions, 5);
    assert.deepEqual(detection, { prior: 0.01, halfLifeS: 30, thresholds: { spoofExit: 0.7 } });
    assert.deepEqual(providers, ["webgpu", "cpu"]);
    assert.deepEqual(allowedOrigins, ["https://a.example", "https://b.example"]);
  });

  it("cannot be changed", () => {
    const config = readConfig({});
    for (const part of [
      config,
      config.limits,
      config.detection,
      config.detection.thresholds,
      config.providers,
    ]) {
      assert.ok(Object.isFrozen(part));
    }
  });
});

describe("the table of settings", () => {
  it("has a default and a meaning for each, and each default is a possible value", () => {
    assert.equal(settings.length, 33);
    for (const setting of settings) {
      assert.match(setting.name, /^EARWITNESS_[A-Z_]+$/);
      assert.ok(setting.meaning.length > 10, setting.name);
      assert.notEqual(setting.default, "undefined", setting.name);
      const worked = /\s|XDG|the model's|none/.test(setting.default);
      if (!worked) readConfig({ [setting.name]: setting.default });
    }
    const port = settings.find(({ name }) => name === "EARWITNESS_PORT");
    assert.equal(port?.default, "8080");
  });
});
