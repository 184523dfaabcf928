// Runs on the audio thread: collects a tenth of a second of the first channel and posts it as 16-bit samples.

class Capture extends AudioWorkletProcessor {
  #block = new Int16Array(Math.round(sampleRate / 10));
  #filled = 0;

  process([input]) {
    const samples = input?.[0];
    if (samples === undefined) return true;
    for (let i = 0; i < samples.length; i++) {
      this.#block[this.#filled++] = Math.max(-32768, Math.min(32767, Math.round(samples[i] * 32768)));
      if (this.#filled === this.#block.length) this.#post();
    }
    return true;
  }

  #post() {
    this.port.postMessage(this.#block.buffer, [this.#block.buffer]);
    this.#block = new Int16Array(Math.round(sampleRate / 10));
    this.#filled = 0;
  }
}

registerProcessor("earwitness-capture", Capture);
