/** Monotonic time and timers, so that tests can hold the hands. */
export interface Clock {
  /** Milliseconds since some fixed moment; never runs backwards. */
  now(): number;
  /** Does `work` once, later. Returns how to call it off. */
  after(ms: number, work: () => void): () => void;
}

/** The process's own clock. Its timers alone do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, work) {
    const timer = setTimeout(work, ms);
    timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
};
