export {Client, connect} from "./client.js"
export type {ClientOptions} from "./client.js"
export type {Chunk} from "./cursor.js"
export {
  ClosedError, EventsLostError, GatewayError, QueueFullError, ReadTooSlowlyError, ReplyTimeoutError, RunestoneError, StreamCancelledError,
} from "./errors.js"
export type {Refusal} from "./errors.js"
export {Room} from "./room.js"
export type {Meta, RoomAnswer, RoomEvents, RoomMessage, RoomOptions, StreamStarted, StreamSteered} from "./room.js"
export type {Settings} from "./settings.js"
export {Stream} from "./stream.js"
export type {Bill, Origin, StreamState} from "./stream.js"
export {Session} from "./topic.js"
export type {AskOptions, Request} from "./topic.js"
