import type {Channel, Socket} from "phoenix"
import {ClosedError, GatewayError, QueueFullError, ReplyTimeoutError, readRefusal} from "./errors.js"
import type {RunestoneError} from "./errors.js"
import type {Settings} from "./settings.js"
import type {Action, Stream} from "./stream.js"
import {Streams} from "./streams.js"

const PASSING = new Set([429, 503])
// What a gateway says that stops to what it has not begun, and what may be asked again when it closes without an answer.
const STOPPING = "gateway_stopping", ASKING = new Set(["chat:stream", "chat:message"])
const USUAL_PAUSE_MS = 1000

/** The body that would be posted to the endpoint. */
export type Request = Record<string, unknown>

export interface AskOptions {
  /** A path of the API; `/v1/chat/completions` by default. */
  endpoint?: string
  headers?: Record<string, string>
  /** What the others of a room are to know of it. */
  note?: unknown
}

/** What a session and a room have in common: asking models, and steering what they say. */
export class Topic {
  /** Phoenix' own, for events that have no method here. */
  readonly channel: Channel
  protected readonly allStreams: Streams
  private waiting = 0
  private readonly unanswered = new Set<() => void>()
  private wake: () => void = () => {}
  private ended: RunestoneError | null = null

  constructor(socket: Socket, topic: string, protected readonly settings: Settings) {
    this.allStreams = new Streams((id, action) => this.steer(id, action), settings.mostUnread)
    this.channel = socket.channel(topic, () => this.describeJoin())
    for(const [event, hear] of Object.entries(this.allStreams.events)){
      this.channel.on(event, payload => { this.heard(event, payload); hear(payload as never) })
    }
    this.channel.onClose(() => this.end(new ClosedError(`${topic} was closed`)))
  }

  /** Those that run. */
  get streams(): Stream[] { return [...this.allStreams.running.values()] }

  /** Asks a model, and reads the answer as it comes. Rejects with GatewayError when it is refused. */
  async stream(request: Request, options: AskOptions = {}): Promise<Stream> {
    let begun: Stream | undefined
    await this.push("chat:stream", {request, ...options}, this.settings.streamTimeoutMs, response => {
      begun = this.allStreams.open((response as {stream_id: string}).stream_id)
      begun.isOwn = true
    })
    return begun as unknown as Stream
  }

  /** The whole answer of a model. A gateway that stops does not begin one: the next is asked. */
  async message(request: Request, options: AskOptions = {}): Promise<unknown> {
    const until = Date.now() + this.settings.messageTimeoutMs
    for(;;){
      try {
        return await this.push("chat:message", {request, ...options}, until - Date.now())
      } catch(error){
        const pause = isStopping(error) ? error.retryAfterMs ?? USUAL_PAUSE_MS : Infinity
        if(Date.now() + pause >= until){ throw error }
        await this.joinedAnewWithin(pause)
      }
    }
  }

  /** Pauses, resumes or cancels a stream, one's own or another's. */
  async steer(streamId: string, action: Action): Promise<void> {
    await this.push("stream:control", {stream_id: streamId, action})
  }

  /** Leaves on purpose: a session's streams are cancelled, those of a room go on for the others. */
  leave(): Promise<void> {
    return new Promise(resolve => { this.channel.leave().receive("ok", () => resolve()).receive("timeout", () => resolve()) })
  }

  /** Sends any event. What is pushed without a connection waits for one, as much as `settings.mostWaiting` allows. `early` is told the
   * response before anything that comes behind it. */
  push(event: string, payload: object, timeoutMs = this.settings.replyTimeoutMs, early: (response: unknown) => void = () => {}): Promise<unknown> {
    if(this.ended !== null){ return Promise.reject(this.ended) }
    if(this.waiting >= this.settings.mostWaiting){
      return Promise.reject(new QueueFullError(`${this.waiting} messages wait already; this one was not taken`))
    }
    this.waiting += 1
    return new Promise<unknown>((resolve, reject) => {
      const send = () => {
        const push = this.channel.push(event, payload, timeoutMs)
          .receive("ok", response => { early(response); settle(); resolve(response) })
          .receive("error", response => { settle(); reject(readRefusal(response)) })
          .receive("timeout", () => { settle(); reject(new ReplyTimeoutError(`no reply to ${event} in ${timeoutMs} ms`)) })
        // Phoenix' own types do not tell of `sent`; what was not waits for the next connection anyway.
        const sendAgain = () => { if((push as unknown as {sent: boolean}).sent){ settle(); send() } }
        const settle = () => { this.unanswered.delete(sendAgain) }
        if(ASKING.has(event)){ this.unanswered.add(sendAgain) }
      }
      send()
    }).finally(() => { this.waiting -= 1 })
  }

  /** The gateway closed the connection because it restarts: what it was asked and did not answer, it did not begin. */
  askAgain(): void {
    for(const sendAgain of [...this.unanswered]){ sendAgain() }
  }

  /** Joins, for the first time: Phoenix' client joins anew by itself, until that is refused for good. */
  join(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: RunestoneError) => { this.end(error); this.channel.leave(); reject(error) }
      let isFirst = true
      this.channel.join(this.settings.replyTimeoutMs)
        .receive("ok", response => { isFirst = false; this.joined(response); this.wake(); resolve() })
        .receive("error", response => {
          const error = readRefusal(response)
          if(isFirst || !PASSING.has(error.status)){ fail(error) }
        })
        .receive("timeout", () => {
          if(isFirst){ fail(new ReplyTimeoutError(`${this.channel.topic} was not joined in time`)) }
        })
    })
  }

  /** It is over: nothing more comes. */
  end(error: RunestoneError): void {
    this.ended ??= error
    this.allStreams.end(error)
  }

  private joinedAnewWithin(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      this.wake = () => { clearTimeout(timer); resolve() }
    })
  }

  protected describeJoin(): Record<string, unknown> {
    return {resume: this.allStreams.describeResume()}
  }

  /** Also told when it was joined anew. */
  protected joined(_response: unknown): void {}
  protected heard(_event: string, _payload: unknown): void {}
}

const isStopping = (error: unknown): error is GatewayError => error instanceof GatewayError && error.code === STOPPING

/** A topic of one's own: nobody else hears what is asked here. */
export class Session extends Topic {}
