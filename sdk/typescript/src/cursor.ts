import {EventsLostError} from "./errors.js"
import {readText} from "./text.js"

/** One event of an answer: its number, its JSON (or a text, where it is none), its name where events have names. */
export interface Chunk {
  readonly seq: number
  readonly data: unknown
  readonly event: string
  /** What the model says in it. */
  readonly text: string
}

/** What `stream:chunk` brings. */
export interface ChunkPayload {
  stream_id: string
  seq: number
  first_seq?: number
  chunk?: unknown
  chunks?: unknown[]
  event?: string
  events?: string[]
}

/** Where a reader stands in a stream: no event is read twice, and none is missed without being noticed. */
export class Cursor {
  constructor(public last = 0) {}

  /** The chunks that were not read yet. Throws EventsLostError when numbers are missing before them. */
  take(payload: ChunkPayload): Chunk[] {
    const {seq, first_seq: first = seq, chunks, events} = payload
    if(seq <= this.last){ return [] }
    if(first > this.last + 1){ throw new EventsLostError(`event ${this.last + 1} was expected, and ${first} came`) }
    if(chunks !== undefined && first <= this.last){
      throw new EventsLostError(`events ${first} to ${seq} came together, of which ${this.last} had been read`)
    }
    this.last = seq
    if(chunks === undefined){ return [makeChunk(seq, payload.chunk, payload.event)] }
    return chunks.map((data, index) => makeChunk(seq, data, events?.[index]))
  }
}

const makeChunk = (seq: number, data: unknown, event = ""): Chunk => ({seq, data, event, text: readText(data)})
