import type {ChunkPayload} from "./cursor.js"
import {StreamCancelledError, readRefusal} from "./errors.js"
import type {RunestoneError} from "./errors.js"
import {Stream} from "./stream.js"
import type {Bill, Origin, Steer} from "./stream.js"

const MOST_OVER = 64  // that are kept when they are over: who asked may hear of it behind the end

type Told = {stream_id: string}

/** The streams of one topic: which run, what they are told, and from where they go on. */
export class Streams {
  readonly running = new Map<string, Stream>()
  private readonly over = new Map<string, Stream>()

  constructor(private readonly steer: Steer, private readonly mostUnread: number) {}

  /** What each event means to a stream. */
  readonly events: Record<string, (payload: never) => void> = {
    "stream:started": (payload: Told & Origin) => { this.with(payload, stream => { stream.origin = payload }) },
    "stream:chunk": (payload: ChunkPayload) => { this.with(payload, stream => stream.take(payload)) },
    "stream:complete": (payload: Told & Bill) => { this.with(payload, stream => stream.complete(payload)) },
    "stream:error": (payload: Told) => { this.with(payload, stream => stream.end(readRefusal(payload))) },
    "stream:cancelled": (payload: Told & {by?: string}) => {
      this.with(payload, stream => stream.end(new StreamCancelledError(payload.by ?? null)))
    },
    "stream:paused": (payload: Told) => { this.with(payload, stream => { stream.isPaused = true }) },
    "stream:resumed": (payload: Told) => { this.with(payload, stream => { stream.isPaused = false }) },
  }

  /** The one of that id; a new one where there is none. */
  open(id: string): Stream {
    const known = this.running.get(id) ?? this.over.get(id)
    if(known !== undefined){ return known }
    const stream = new Stream(id, this.steer, this.mostUnread)
    this.running.set(id, stream)
    return stream
  }

  knows(id: string): boolean { return this.running.has(id) || this.over.has(id) }

  /** For a join: behind which event each goes on. */
  describeResume(): Record<string, number> {
    return Object.fromEntries([...this.running].map(([id, stream]) => [id, stream.lastSeq]))
  }

  /** All end. */
  end(error: RunestoneError): void {
    for(const stream of this.running.values()){ stream.end(error) }
    this.running.clear()
  }

  private with({stream_id}: Told, tell: (stream: Stream) => void): void {
    const stream = this.running.get(stream_id)
    if(stream === undefined){ return }
    tell(stream)
    if(!stream.isOver){ return }
    this.running.delete(stream_id)
    this.over.set(stream_id, stream)
    for(const oldest of this.over.keys()){
      if(this.over.size <= MOST_OVER){ break }
      this.over.delete(oldest)
    }
  }
}
