// What a page does with channels when nothing goes wrong but the page.
import {REQUEST, answered, closes, connect, equal, failed, joined, key, listen, ok, once, push, run, until, url} from "./client.mjs"
import WebSocket from "ws"

const SLOW = {...REQUEST, model: "fake/latency=3s"}
const content = answer => answer.choices[0].message.content

await run({
  async join_push_and_leave(){
    const channel = await joined(connect(), "session:a")
    const answer = await push(channel, "chat:message", {request: REQUEST})
    equal(content(answer).trim().split(/\s+/).length, 5)
    ok(answer.runestone.request_id.startsWith("req_"))
    const {response} = await failed(push(channel, "unheard of", {}))
    equal(response.error.code, "unknown_event")
    let closed = false
    channel.onClose(() => { closed = true })
    await answered(channel.leave())
    ok(closed)
  },

  async stream(){
    const channel = await joined(connect(), "session:a")
    const seen = listen(channel, "stream:started", "stream:chunk")
    const complete = once(channel, "stream:complete")
    const {stream_id} = await push(channel, "chat:stream", {request: REQUEST})
    const {seq, usage} = await complete
    equal(seen["stream:started"][0].stream_id, stream_id)
    const text = seen["stream:chunk"].map(({chunk}) => chunk.choices[0]?.delta.content || "").join("")
    equal(text.trim().split(/\s+/).length, 5)
    let last = 0
    for(const chunk of seen["stream:chunk"]){
      equal(chunk.first_seq ?? chunk.seq, last + 1)
      last = chunk.seq
    }
    ok(seq >= last && usage.output_tokens > 0)
  },

  async refused_join(){
    const channel = connect().channel(`session:${"x".repeat(200)}`)
    const {status, response} = await failed(answered(channel.join()))
    equal([status, response.status], ["error", 400])
    const unknown = connect().channel("nothing:here")
    equal((await failed(answered(unknown.join()))).response, {reason: "unmatched topic"})
  },

  async push_that_times_out(){
    const channel = await joined(connect(), "session:a")
    equal(await failed(push(channel, "chat:message", {request: SLOW}, 50)), {status: "timeout"})
    ok(content(await push(channel, "chat:message", {request: REQUEST})), "the channel goes on")
  },

  async pushes_before_the_join_are_buffered(){
    const channel = connect().channel("session:a")
    channel.join()
    const answers = await Promise.all([1, 2, 3].map(() => push(channel, "chat:message", {request: REQUEST})))
    equal(answers.length, 3)
  },

  async topic_joined_twice(){
    const socket = connect()
    const first = await joined(socket, "session:a")
    let closed = false
    first.onClose(() => { closed = true })
    const second = await joined(socket, "session:a")
    await until(() => closed)
    ok(content(await push(second, "chat:message", {request: REQUEST})))
  },

  async many_channels_and_one_too_many(){
    const socket = connect()
    await Promise.all([...Array(50).keys()].map(number => joined(socket, `session:${number}`)))
    await new Promise(resolve => setTimeout(resolve, 1100))  // joins are paced, too
    await Promise.all([...Array(50).keys()].map(number => joined(socket, `session:${50 + number}`)))
    await new Promise(resolve => setTimeout(resolve, 1100))
    const {response} = await failed(joined(socket, "session:100"))
    equal(response, {reason: "too many channels joined"})
  },

  async binary(){
    const channel = await joined(connect(), "session:a")
    const body = new TextEncoder().encode(JSON.stringify(REQUEST))
    const answer = await push(channel, "chat:message", body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength))
    ok(content(answer))
    const speech = {model: "fake/words=5", input: "Hello", voice: "alloy"}
    const sound = await push(channel, "chat:message", {endpoint: "/v1/audio/speech", request: speech})
    ok(sound instanceof ArrayBuffer && sound.byteLength > 0, "a sound is bytes")
  },

  async heartbeats(){
    const socket = connect({heartbeatIntervalMs: 100})
    let beats = 0
    socket.onMessage(({topic}) => { beats += topic === "phoenix" })
    await until(() => beats >= 5)
    await new Promise(resolve => ok(socket.ping(resolve)))
    equal(closes, [])
  },

  async token_in_the_subprotocol(){
    const socket = connect({params: {}, authToken: key})
    ok(content(await push(await joined(socket, "session:a"), "chat:message", {request: REQUEST})))
    equal(socket.conn.protocol, "phoenix")
  },

  async wrong_keys_and_versions_are_refused(){
    const status = path => new Promise(resolve => {
      const refused = new WebSocket(path)
      refused.on("unexpected-response", (_request, response) => { refused.on("error", () => {}); refused.terminate(); resolve(response.statusCode) })
    })
    equal(await status(`${url}/websocket?vsn=2.0.0&api_key=wrong-key-0123456789`), 401)
    equal(await status(`${url}/websocket?vsn=1.0.0&api_key=${key}`), 403)
    equal(await status(`${url}/websocket?api_key=${key}`), 403)
  },
})
