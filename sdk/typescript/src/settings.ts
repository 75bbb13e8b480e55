/** What a client bears and how long it waits. */
export interface Settings {
  replyTimeoutMs: number
  streamTimeoutMs: number
  messageTimeoutMs: number
  /** Messages of one topic that wait to be sent or answered. */
  mostWaiting: number
  /** Chunks of one stream that wait to be read. */
  mostUnread: number
}

export const DEFAULTS: Settings = {
  replyTimeoutMs: 10_000,
  streamTimeoutMs: 60_000,
  messageTimeoutMs: 120_000,
  mostWaiting: 256,
  mostUnread: 50_000,
}
