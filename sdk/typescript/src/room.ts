import {Presence} from "phoenix"
import type {Socket} from "phoenix"
import type {Settings} from "./settings.js"
import type {Stream} from "./stream.js"
import {Topic} from "./topic.js"

/** What one tells of oneself, with Phoenix' references. */
export type Meta = Record<string, unknown> & {phx_ref: string}

export interface RoomMessage { position: number, from: string, ref: string, at: number, body: unknown }
export interface RoomAnswer { position: number, from: string, ref: string, at: number, answer: unknown, note?: unknown }
/** `stream` is null for one that was over before this client came. */
export interface StreamStarted {
  position: number, stream_id: string, from: string, ref: string, at: number, model: string, note?: unknown, stream: Stream | null
}
export interface StreamSteered { position: number, stream_id: string, by: string, ref: string }

/** What happens in a room, in the order in which all its members hear it. */
export interface RoomEvents {
  "message": RoomMessage
  "answer": RoomAnswer
  "stream": StreamStarted
  "paused": StreamSteered
  "resumed": StreamSteered
  "cancelled": StreamSteered
  "presence": Record<string, Meta[]>
}
export type RoomEvent = keyof RoomEvents
type Listener<E extends RoomEvent> = (event: RoomEvents[E]) => void

export interface RoomOptions {
  /** Whom one is there as; by default the API key's name. */
  key?: string
  /** What the others are to know. */
  meta?: Record<string, unknown>
  /** How many of the last messages are wanted. */
  history?: number
}

const NAMES: Record<string, RoomEvent> = {
  "room:message": "message", "room:answer": "answer", "stream:started": "stream",
  "stream:paused": "paused", "stream:resumed": "resumed", "stream:cancelled": "cancelled",
}

type Said = {event: string, payload: Record<string, unknown>}
type Welcome = {key: string, ref: string, position: number, history: Said[]}

/** A topic that many share: who is there, what they say, and the answers that all of them read. What was said before comes as events behind
 * `await client.room(...)`: listeners that are added right then hear it. */
export class Room extends Topic {
  key = ""
  ref = ""
  private readonly presences: Presence
  private readonly listeners = new Map<RoomEvent, Set<Listener<never>>>()
  private position: number | null = null
  private past: Said[] = []

  constructor(socket: Socket, readonly roomName: string, settings: Settings, private readonly options: RoomOptions) {
    super(socket, `room:${roomName}`, settings)
    for(const event of ["room:message", "room:answer"]){
      this.channel.on(event, payload => this.heard(event, payload))
    }
    this.presences = new Presence(this.channel)
    this.presences.onSync(() => this.tell("presence", this.presence))
  }

  /** Who is there now, by key: what each told of itself. */
  get presence(): Record<string, Meta[]> {
    return Object.fromEntries(this.presences.list((key: string, {metas}: {metas: Meta[]}) => [key, metas] as const))
  }

  /** Hears of something from now on, and of what was said before this client came. Returns what ends that. */
  on<E extends RoomEvent>(event: E, listener: Listener<E>): () => void {
    const listeners = this.listeners.get(event) ?? new Set()
    this.listeners.set(event, listeners.add(listener as Listener<never>))
    return () => { listeners.delete(listener as Listener<never>) }
  }

  /** Says any JSON to all, oneself too. */
  async say(body: unknown): Promise<number> {
    return (await this.push("room:message", body as object) as {position: number}).position
  }

  /** Changes what is told of oneself. */
  async update(meta: Record<string, unknown>): Promise<void> {
    this.options.meta = meta
    await this.push("presence:update", {meta})
  }

  protected override describeJoin(): Record<string, unknown> {
    const {history, ...self} = this.options
    const told = this.position === null ? {history} : {after: this.position}
    return {...self, ...Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined)), ...super.describeJoin()}
  }

  protected override joined(response: unknown): void {
    const {key, ref, position, history} = response as Welcome
    const isFirst = this.position === null  // whoever awaits the room may add listeners before they are told anything
    Object.assign(this, {key, ref})
    this.position = position
    this.past.push(...history)
    if(isFirst){ setTimeout(() => this.tellPast(), 0) } else { this.tellPast() }
  }

  protected override heard(event: string, payload: Record<string, unknown>): void {
    this.tellPast()
    if(typeof payload["position"] === "number"){ this.position = Math.max(this.position ?? 0, payload["position"]) }
    this.hear(event, payload, false)
  }

  // What was said before stands before what is said now.
  private tellPast(): void {
    const past = this.past.splice(0)
    const over = new Set(past.filter(({event}) => event === "stream:ended").map(({payload}) => payload["stream_id"]))
    for(const {event, payload} of past){ this.hear(event, payload, over.has(payload["stream_id"])) }
  }

  private hear(event: string, payload: Record<string, unknown>, isOver: boolean): void {
    const name = NAMES[event]
    if(name === undefined || (name === "cancelled" && payload["position"] === undefined)){ return }
    if(name !== "stream"){ this.tell(name, payload as never); return }
    const id = payload["stream_id"] as string
    const stream = isOver && !this.allStreams.knows(id) ? null : this.allStreams.open(id)
    if(stream !== null){ stream.origin = payload }
    this.tell("stream", {...payload, stream} as unknown as StreamStarted)
  }

  private tell<E extends RoomEvent>(event: E, told: RoomEvents[E]): void {
    for(const listener of this.listeners.get(event) ?? []){ (listener as Listener<E>)(told) }
  }
}
