import {Cursor} from "./cursor.js"
import type {Chunk, ChunkPayload} from "./cursor.js"
import {EventsLostError, ReadTooSlowlyError, StreamCancelledError} from "./errors.js"
import type {RunestoneError} from "./errors.js"

export type Action = "pause" | "resume" | "cancel"
export type StreamState = "running" | "complete" | "failed" | "cancelled"

/** Who answers, where it is known; in a room who asked (`from`), and the `note` that came with it. */
export interface Origin {
  provider?: string | null
  model?: string | null
  cache?: string | null
  headers?: Record<string, string>
  from?: string
  at?: number
  note?: unknown
}

/** What stands behind the last chunk: what is not known is null, which is not zero. `cost` is in dollars. */
export interface Bill {
  usage: Record<string, unknown> | null
  cost: number | null
  finish_reason: string | null
}

export type Steer = (streamId: string, action: Action) => Promise<void>

/** One answer as it comes, for one reader: `for await (const chunk of stream)`. A lost connection does not end it, nor is anything lost or read
 * twice. It throws what ended it when it is not whole. Leaving the loop early cancels a stream that was asked for here, at its provider; one of
 * somebody else's is read no further. */
export class Stream implements AsyncIterable<Chunk> {
  state: StreamState = "running"
  isPaused = false
  isOwn = false
  origin: Origin = {}
  bill: Bill = {usage: null, cost: null, finish_reason: null}
  /** What the model has said so far, read or not. */
  text = ""
  private readonly cursor = new Cursor()
  private unread: Chunk[] = []
  private isLeft = false
  private error: RunestoneError | null = null
  private wake: () => void = () => {}

  constructor(readonly id: string, private readonly steer: Steer, private readonly mostUnread: number) {}

  /** The number of the last event that came. */
  get lastSeq(): number { return this.cursor.last }
  get isOver(): boolean { return this.state !== "running" }

  /** Holds delivery back at once, then the provider. */
  async pause(): Promise<void> {
    await this.steer(this.id, "pause")
    this.isPaused = true
  }

  async resume(): Promise<void> {
    await this.steer(this.id, "resume")
    this.isPaused = false
  }

  /** Ends it, for everybody, down to the provider's socket. */
  async cancel(): Promise<void> { await this.steer(this.id, "cancel") }

  /** Reads to the end; gives the whole text. */
  async finish(): Promise<string> {
    for await (const _ of this){ /* the text grows by itself */ }
    return this.text
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, void> {
    try {
      for(;;){
        for(let chunk = this.unread.shift(); chunk !== undefined; chunk = this.unread.shift()){ yield chunk }
        if(this.error !== null){ throw this.error }
        if(this.isOver){ return }
        await new Promise<void>(resolve => { this.wake = resolve })
      }
    } finally {
      if(!this.isOver){ await this.leave() }
    }
  }

  private async leave(): Promise<void> {
    this.isLeft = true
    this.unread = []
    if(this.isOwn){ await this.cancel().catch(() => {}) }
  }

  /** Told by its session or room: chunks came. */
  take(payload: ChunkPayload): void {
    if(this.isOver){ return }
    try {
      for(const chunk of this.cursor.take(payload)){
        this.text += chunk.text
        if(!this.isLeft){ this.unread.push(chunk) }
      }
    } catch(error){
      if(!(error instanceof EventsLostError)){ throw error }
      this.end(error)
    }
    if(this.unread.length > this.mostUnread){
      this.end(new ReadTooSlowlyError(`more than ${this.mostUnread} chunks of stream ${this.id} wait to be read`))
    }
    this.wake()
  }

  /** It is whole. */
  complete(bill: Bill): void {
    if(this.isOver){ return }
    this.bill = bill
    this.state = "complete"
    this.wake()
  }

  /** It is not whole, and will not be. */
  end(error: RunestoneError): void {
    if(this.isOver){ return }
    this.error = error
    this.state = error instanceof StreamCancelledError ? "cancelled" : "failed"
    this.wake()
  }
}
