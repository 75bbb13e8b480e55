import {Socket} from "phoenix"
import type {SocketConnectOption} from "phoenix"
import {ClosedError} from "./errors.js"
import type {RunestoneError} from "./errors.js"
import {Room} from "./room.js"
import type {RoomOptions} from "./room.js"
import {DEFAULTS} from "./settings.js"
import type {Settings} from "./settings.js"
import {Session} from "./topic.js"
import type {Topic} from "./topic.js"

const POLICY_VIOLATED = 1008, RESTARTING = 1012

export interface ClientOptions extends Partial<Settings> {
  /** Asked for each connection anew, where it is a function. In a page that everybody may open let your own server add it. */
  apiKey?: string | (() => string)
  /** Told when the connection comes and goes. */
  onState?: (state: "connected" | "connecting" | "closed") => void
  /** What Phoenix' `Socket` takes: a `transport` where there is no WebSocket, `reconnectAfterMs`, ... */
  socket?: Partial<SocketConnectOption>
}

/** A connection to a gateway that comes back by itself, as Phoenix' client does, but not after 1008 (not wanted here), and the topics on it. */
export class Client {
  /** Phoenix' own. */
  readonly socket: Socket
  private readonly settings: Settings
  private readonly topics = new Set<Topic>()
  private error: RunestoneError | null = null

  constructor(url: string, private readonly options: ClientOptions = {}) {
    this.settings = {...DEFAULTS, ...options}
    const {apiKey} = options
    this.socket = new Socket(readAddress(url), {
      reconnectAfterMs: pause,
      rejoinAfterMs: pause,
      // Phoenix' own types know a function only since its 1.8 does.
      ...(apiKey === undefined ? {} : {authToken: (typeof apiKey === "string" ? () => apiKey : apiKey) as unknown as string}),
      ...options.socket,
    })
    this.socket.onOpen(() => options.onState?.("connected"))
    this.socket.onClose(event => this.closed(event.code))
    this.socket.connect()
  }

  /** A topic of one's own. */
  async session(name: string = crypto.randomUUID()): Promise<Session> {
    return this.join(new Session(this.socket, `session:${name}`, this.settings))
  }

  /** A room of one's tenant. Rejects with GatewayError where it may not be joined. */
  async room(name: string, options: RoomOptions = {}): Promise<Room> {
    return this.join(new Room(this.socket, name, this.settings, {...options}))
  }

  /** Closes the connection. What was not left goes on without its reader for the gateway's `resume_window`. */
  close(): Promise<void> {
    this.end(new ClosedError("the client was closed"))
    return new Promise(resolve => this.socket.disconnect(() => resolve(), 1000))
  }

  private async join<T extends Topic>(topic: T): Promise<T> {
    if(this.error !== null){ throw this.error }
    this.topics.add(topic)
    topic.channel.onClose(() => { this.topics.delete(topic) })
    await topic.join()
    return topic
  }

  private closed(code: number): void {
    if(code === POLICY_VIOLATED){
      this.socket.disconnect()
      this.end(new ClosedError("the gateway does not want this connection"))
    } else if(this.error === null){
      if(code === RESTARTING){ for(const topic of this.topics){ topic.askAgain() } }
      this.options.onState?.("connecting")
    }
  }

  private end(error: RunestoneError): void {
    this.error ??= error
    for(const topic of this.topics){ topic.end(this.error) }
    this.options.onState?.("closed")
  }
}

/** A client of the gateway at `url`: `http://127.0.0.1:4003` is enough. */
export const connect = (url: string, options: ClientOptions = {}): Client => new Client(url, options)

/** Anything up to twice as long as the last time, at most 10 s: clients that lost one gateway do not all come back at once. */
export const pause = (tries: number): number => Math.random() * Math.min(10_000, 100 * 2 ** Math.min(tries, 10))

/** Phoenix adds `/websocket` itself. */
export function readAddress(url: string): string {
  const address = new URL(url)
  address.protocol = address.protocol.replace(/^http/, "ws")
  if(!["ws:", "wss:"].includes(address.protocol)){ throw new TypeError(`${url} is no http, https, ws or wss address`) }
  const path = address.pathname.replace(/\/$/, "").replace(/\/websocket$/, "").replace(/\/v1$/, "")
  return `${address.protocol}//${address.host}${path.endsWith("/socket") ? path : `${path}/socket`}`
}
