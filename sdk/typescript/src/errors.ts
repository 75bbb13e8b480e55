/** Everything that can go wrong here. */
export class RunestoneError extends Error {
  constructor(message: string) {
    super(message)
    this.name = new.target.name
  }
}

/** What the gateway says beside the message of a refusal. */
export interface Refusal {
  /** Runestone's own word for it, in lower case. */
  reason: string
  /** What it would be over HTTP. */
  status: number
  type?: string
  code?: string | null
  param?: string | null
  /** Milliseconds after which it may be tried again, where they are known. */
  retryAfterMs?: number
}

/** The gateway says no. `status` tells which: 401 the key is none, 403 it may not, 404 no such thing, 429 too much for now, 502 the provider failed,
 * 503 a part is away, 504 it took too long. */
export class GatewayError extends RunestoneError {
  constructor(message: string, readonly refusal: Refusal) {
    super(message)
  }
  get status(): number { return this.refusal.status }
  get reason(): string { return this.refusal.reason }
  get code(): string | null { return this.refusal.code ?? null }
  get retryAfterMs(): number | null { return this.refusal.retryAfterMs ?? null }
}

/** Somebody cancelled the stream; `by` says who, in a room. */
export class StreamCancelledError extends RunestoneError {
  constructor(readonly by: string | null = null) {
    super(by === null ? "the stream was cancelled" : `the stream was cancelled by ${by}`)
  }
}

/** No reply came in time. It may have been done. */
export class ReplyTimeoutError extends RunestoneError {}
/** The client, the session or the room was closed. */
export class ClosedError extends RunestoneError {}
/** Too much waits for a connection; this was not taken. */
export class QueueFullError extends RunestoneError {}
/** A stream's numbers have a gap: what comes is not what was said. */
export class EventsLostError extends RunestoneError {}
/** More came than may wait for who reads. */
export class ReadTooSlowlyError extends RunestoneError {}

const TOO_SOON = new Set(["too many joins", "join crashed", "the join is not answered yet"])

/** The error for a refused reply, or for `stream:error`: `{reason, error, status, retry_after_ms?}`. */
export function readRefusal(response: unknown): GatewayError {
  const said = (isObject(response) ? response : {}) as {
    reason?: string, status?: number, retry_after_ms?: number,
    error?: {message?: string, type?: string, code?: string | null, param?: string | null},
  }
  const reason = said.reason ?? ""
  const refusal: Refusal = {...said.error, reason, status: said.status ?? (TOO_SOON.has(reason) ? 429 : 400)}
  if(said.retry_after_ms !== undefined){ refusal.retryAfterMs = said.retry_after_ms }
  return new GatewayError(said.error?.message ?? (reason || "refused"), refusal)
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
