/** What one client may ask of the server. */
export interface Limits {
  readonly startMs: number;
  readonly idleMs: number;
  readonly pingMs: number;
  readonly sessionMs: number;
  readonly aheadMs: number;
  readonly sessions: number;
  readonly backlogBytes: number;
  readonly metadataBytes: number;
  readonly messageBytes: number;
  readonly recordingBytes: number;
  readonly recordingMs: number;
  readonly drainMs: number;
}

/** The contract's values. */
export const defaultLimits: Limits = {
  startMs: 5000,
  idleMs: 30_000,
  pingMs: 20_000,
  sessionMs: 14_400_000,
  aheadMs: 5000,
  sessions: 1000,
  backlogBytes: 1 << 20,
  metadataBytes: 4096,
  messageBytes: 65_536,
  recordingBytes: 16 << 20,
  recordingMs: 600_000,
  drainMs: 30_000,
};

/** The limits by their names on the wire and in metrics. */
export function toWireLimits(limits: Limits): Readonly<Record<string, number>> {
  return {
    start_timeout_ms: limits.startMs,
    idle_timeout_ms: limits.idleMs,
    ping_interval_ms: limits.pingMs,
    max_session_ms: limits.sessionMs,
    max_ahead_ms: limits.aheadMs,
    max_sessions: limits.sessions,
    max_backlog_bytes: limits.backlogBytes,
    max_metadata_bytes: limits.metadataBytes,
    max_message_bytes: limits.messageBytes,
    max_recording_bytes: limits.recordingBytes,
    max_recording_ms: limits.recordingMs,
    drain_ms: limits.drainMs,
  };
}
