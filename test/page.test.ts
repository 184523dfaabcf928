import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { loadPages } from "../src/server/http/pages.ts";
import { Browser, findChromium } from "./support/browser.ts";
import { fakeServer, type FakeServerOptions } from "./support/fake-server.ts";
import { fakeDetector } from "./support/fakes.ts";
import { voice } from "./support/voice.ts";
import { wavFile } from "./support/wav-file.ts";

const chromium = findChromium();
const skip =
  chromium === undefined ? "no Chromium is installed: `apt-get install chromium` runs this" : false;
/** Screenshots go here when it is set. */
const screenshots = process.env["PAGE_SCREENSHOTS"];

/** A voice on the left; on the right the same, after six silent seconds. */
function stereo(): Uint8Array {
  const [left, right] = [voice(14, 16_000), voice(8, 16_000, 90)];
  const mixed = new Int16Array(left.length * 2);
  for (let i = 0; i < left.length; i++) {
    mixed[2 * i] = (left[i] ?? 0) * 20_000;
    mixed[2 * i + 1] = (right[i - 96_000] ?? 0) * 20_000;
  }
  return wavFile({ tag: 1, bits: 16, channels: 2, rate: 16_000, data: new Uint8Array(mixed.buffer) });
}

const spoken = (): Uint8Array => {
  const samples = Int16Array.from(voice(20, 48_000), (x) => x * 20_000);
  return wavFile({ tag: 1, bits: 16, rate: 48_000, data: new Uint8Array(samples.buffer) });
};

const longName = "a call that somebody described at length ".repeat(4);

describe("the page", { skip, timeout: 120_000 }, () => {
  let folder = "";
  let browser: Browser;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "earwitness-page-files-"));
    writeFileSync(join(folder, "stereo.wav"), stereo());
    writeFileSync(join(folder, "spoken.wav"), spoken());
    writeFileSync(join(folder, `${longName}.wav`), spoken());
    writeFileSync(join(folder, "notes.txt"), "not a sound");
    browser = await Browser.launch(chromium ?? "", join(folder, "spoken.wav"));
  });
  after(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  async function serve(t: TestContext, options: FakeServerOptions = {}): Promise<string> {
    const pages = await loadPages(join(import.meta.dirname, "../clients/browser"));
    const { url } = await fakeServer(t, {
      // The left one sounds human, the right one machine-made.
      detector: fakeDetector(({ channel, index }) => (channel === 0 ? -2.5 : 4) + 0.6 * Math.sin(index)),
      ...options,
      pages,
    });
    return url;
  }

  const text = async (selector: string, of = 0): Promise<string> =>
    String(
      await browser.value(
        `document.querySelectorAll(${JSON.stringify(selector)})[${of}]?.textContent.trim()`,
      ),
    );

  async function keep(name: string): Promise<void> {
    if (screenshots !== undefined)
      writeFileSync(join(screenshots, `${name}.png`), await browser.screenshot());
  }

  it("says what it is not, and where the audio goes", async (t) => {
    await browser.open(await serve(t));
    assert.match(await text(".caveat"), /not proof of identity/);
    await keep("start");
    assert.deepEqual(browser.complaints, []);
  });

  it("shows a recording's verdict per channel, with the speech behind it", async (t) => {
    await browser.open(await serve(t));
    await browser.click("input[value=file]");
    await browser.pickFile("#file", join(folder, "stereo.wav"));
    await browser.until("document.querySelector('#status').textContent.startsWith('Finished')");
    assert.deepEqual([await text(".label"), await text(".label", 1)], ["left", "right"]);
    assert.deepEqual([await text(".word"), await text(".word", 1)], ["Sounds human", "Sounds machine-made"]);
    assert.equal(await browser.value("document.querySelectorAll('.channel')[1].dataset.state"), "spoof");
    assert.ok(parseFloat(await text(".speech")) > 8, await text(".speech"));
    assert.match(await text(".probability"), /^(< 1|[1-9]|1\d) %$/);
    assert.match(await text(".probability", 1), /^(> 99|9\d) %$/);
    assert.match(await text(".why", 1), /points to a machine/);
    assert.equal(await text(".heard"), "14.0 s");
    const rows = await browser.value(
      "document.querySelectorAll('.channel')[0].querySelectorAll('tbody tr').length",
    );
    assert.ok(Number(rows) >= 10, `${String(rows)} rows`);
    const drawn = await browser.value(`(() => { const c = document.querySelector(".curve");
      return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.filter((x) => x > 0).length; })()`);
    assert.ok(Number(drawn) > 1000);
    assert.match(await text("#status"), /left: Sounds human. right: Sounds machine-made./);
    await keep("recording");
    assert.deepEqual(browser.complaints, []);
  });

  it("takes a recording whose name is longer than a label may be", async (t) => {
    await browser.open(await serve(t));
    await browser.click("input[value=file]");
    await browser.pickFile("#file", join(folder, `${longName}.wav`));
    await browser.until("document.querySelector('#status').textContent.startsWith('Finished')");
    assert.equal(await text(".label"), longName.slice(0, 64).trim());
  });

  it("listens to the microphone until it is stopped", async (t) => {
    await browser.open(await serve(t));
    await browser.click("#microphone");
    await browser.until("parseFloat(document.querySelector('.speech')?.textContent) > 2");
    assert.equal(await browser.value("document.querySelector('#file').disabled"), true);
    await keep("microphone");
    await browser.click("#stop");
    await browser.until("document.querySelector('#status').textContent.startsWith('Finished')");
    assert.equal(await text(".label"), "the microphone");
    assert.equal(await browser.value("document.querySelector('#microphone').disabled"), false);
    assert.deepEqual(browser.complaints, []);
  });

  it("names what went wrong", async (t) => {
    await browser.open(await serve(t));
    await browser.pickFile("#file", join(folder, "notes.txt"));
    await browser.until("!document.querySelector('#problem').hidden");
    assert.match(await text("#problem"), /^undecodable_audio: .*notes\.txt/);
    await keep("problem");
    await browser.open(await serve(t, { limits: { sessionMs: 300 } }));
    await browser.pickFile("#file", join(folder, "stereo.wav"));
    await browser.until("!document.querySelector('#problem').hidden");
    assert.match(await text("#problem"), /^session_too_long: /);
  });

  it("fits a phone, in the dark too", async (t) => {
    const url = await serve(t);
    await browser.open(url, { width: 360, height: 740, dark: true });
    await browser.click("input[value=file]");
    await browser.pickFile("#file", join(folder, "stereo.wav"));
    await browser.until("document.querySelector('#status').textContent.startsWith('Finished')");
    const width = await browser.value("document.documentElement.scrollWidth");
    assert.ok(Number(width) <= 360, `${String(width)} wide`);
    await keep("phone");
  });

  it("can be used with the keyboard alone", async (t) => {
    await browser.open(await serve(t));
    const reached: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      await browser.press("Tab");
      reached.push(await browser.value("document.activeElement.id || document.activeElement.value"));
    }
    assert.deepEqual(reached, ["file", "microphone", "live", "aloud"]);
  });
});
