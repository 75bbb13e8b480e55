// What decides without a network.
import assert from "node:assert/strict"
import {test} from "node:test"
import {pause, readAddress} from "../dist/client.js"
import {Cursor} from "../dist/cursor.js"
import {EventsLostError, ReadTooSlowlyError, StreamCancelledError, readRefusal} from "../dist/errors.js"
import {Stream} from "../dist/stream.js"
import {DEFAULTS} from "../dist/settings.js"
import {Streams} from "../dist/streams.js"
import {readText} from "../dist/text.js"
import {Session} from "../dist/topic.js"

const chunk = (seq, more = {}) => ({stream_id: "s", seq, chunk: {choices: [{delta: {content: `${seq} `}}]}, ...more})
const makeStream = (mostUnread = 100) => {
  const steered = []
  return {steered, stream: new Stream("s", async (id, action) => { steered.push([id, action]) }, mostUnread)}
}

test("repeated and joined events are read once", () => {
  const cursor = new Cursor(), read = []
  const take = payload => read.push(...cursor.take(payload).map(({data}) => data))
  take({seq: 1, chunk: "a"})
  take({first_seq: 2, seq: 4, chunks: ["b", "c"]})
  take({seq: 1, chunk: "a"})
  take({first_seq: 3, seq: 4, chunk: "c"})
  take({first_seq: 3, seq: 5, chunk: "d"})
  assert.deepEqual(read, ["a", "b", "c", "d"])
})

test("a gap is noticed", () => {
  assert.throws(() => new Cursor(3).take({seq: 5}), EventsLostError)
  assert.throws(() => new Cursor(3).take({first_seq: 2, seq: 5, chunks: []}), EventsLostError)
})

test("a stream is read to its end, and its bill stands behind it", async () => {
  const {stream} = makeStream()
  stream.take(chunk(1))
  const finished = stream.finish()
  stream.take(chunk(2))
  stream.complete({usage: {output_tokens: 2}, cost: 0.5, finish_reason: "stop"})
  assert.equal(await finished, "1 2 ")
  assert.deepEqual([stream.state, stream.bill.cost], ["complete", 0.5])
})

test("what is not whole throws behind what came of it", async () => {
  const {stream} = makeStream(), read = []
  stream.take(chunk(1))
  stream.end(new StreamCancelledError("bob"))
  await assert.rejects(async () => { for await (const {seq} of stream){ read.push(seq) } }, {by: "bob"})
  assert.deepEqual([read, stream.state], [[1], "cancelled"])
})

test("leaving the loop cancels what was asked here, and nothing else", async () => {
  for(const isOwn of [true, false]){
    const {stream, steered} = makeStream()
    stream.isOwn = isOwn
    stream.take(chunk(1))
    for await (const _ of stream){ break }
    assert.deepEqual(steered, isOwn ? [["s", "cancel"]] : [])
  }
})

test("who does not read is told", async () => {
  const {stream} = makeStream(2)
  for(const seq of [1, 2, 3]){ stream.take(chunk(seq)) }
  await assert.rejects(stream.finish(), ReadTooSlowlyError)
})

test("a join says where each stream goes on, and those that are over are not among them", () => {
  const streams = new Streams(async () => {}, 100)
  const [a, b] = [streams.open("a"), streams.open("b")]
  streams.events["stream:chunk"](chunk(1, {stream_id: "a"}))
  streams.events["stream:complete"]({stream_id: "b", usage: null, cost: null, finish_reason: null})
  assert.deepEqual(streams.describeResume(), {a: 1})
  assert.equal(streams.open("b"), b)
  assert.equal(streams.open("a"), a)
})

test("a refusal has the gateway's words", () => {
  const said = {reason: "rate_limited", status: 429, error: {message: "m", type: "t", param: null, code: "c"}, retry_after_ms: 20}
  const error = readRefusal(said)
  assert.deepEqual([error.message, error.status, error.reason, error.code, error.retryAfterMs], ["m", 429, "rate_limited", "c", 20])
  for(const odd of [null, 3, [], {}, {reason: "unmatched topic"}]){ assert.equal(readRefusal(odd).status, 400) }
  assert.equal(readRefusal({reason: "too many joins"}).status, 429)
})

test("an address is completed", () => {
  for(const [given, address] of [
    ["http://h:1", "ws://h:1/socket"], ["https://h/v1/", "wss://h/socket"], ["ws://h/base/socket/websocket", "ws://h/base/socket"],
  ]){ assert.equal(readAddress(given), address) }
  assert.throws(() => readAddress("ftp://h"), TypeError)
})

test("a pause is bounded", () => {
  for(const tries of [1, 5, 1000]){ assert.ok(pause(tries) >= 0 && pause(tries) <= 10_000) }
})

test("the text of each API is found", () => {
  assert.equal(readText({choices: [{index: 0, delta: {content: "a"}}, {index: 1, delta: {content: "b"}}]}), "a")
  assert.equal(readText({type: "response.output_text.delta", delta: "a"}), "a")
  assert.equal(readText({type: "content_block_delta", delta: {text: "a"}}), "a")
  for(const odd of ["a", null, {}, {choices: [3]}, []]){ assert.equal(readText(odd), "") }
})

// Phoenix' channel, as far as a topic needs one: what is pushed is answered by the test.
function fakeTopic(settings = {}){
  const pushes = []
  const channel = {
    on(){}, onClose(){},
    push(event, payload){
      const hooks = {}
      const push = {event, payload, sent: true, answer: (status, response) => hooks[status](response)}
      push.receive = (status, hook) => { hooks[status] = hook; return push }
      pushes.push(push)
      return push
    },
    join(){ const push = {receive: (status, hook) => { if(status === "ok"){ channel.joinAnew = hook }; return push }}; return push },
  }
  const topic = new Session({channel: () => channel}, "session:a", {...DEFAULTS, ...settings})
  return {topic, pushes, channel}
}
const STOPPING = {reason: "unavailable", status: 503, error: {code: "gateway_stopping", message: "m"}, retry_after_ms: 60_000}
const turn = () => new Promise(resolve => setImmediate(resolve))

test("the next gateway is asked for what one that stops has not begun", async () => {
  const {topic, pushes, channel} = fakeTopic()
  topic.join()
  const answer = topic.message({model: "m"})
  pushes[0].answer("error", STOPPING)
  await turn()
  assert.equal(pushes.length, 1, "not on the same connection")
  channel.joinAnew({})
  await turn()
  assert.deepEqual(pushes.map(({payload}) => payload.request), [{model: "m"}, {model: "m"}])
  pushes[1].answer("ok", {choices: []})
  assert.deepEqual(await answer, {choices: []})
})

test("any other refusal is the caller's, and so is one that comes too late", async () => {
  for(const [settings, refusal] of [[{}, {...STOPPING, error: {code: "other"}}], [{messageTimeoutMs: 1000}, STOPPING]]){
    const {topic, pushes} = fakeTopic(settings)
    const answer = topic.message({model: "m"})
    pushes[0].answer("error", refusal)
    await assert.rejects(answer, {status: 503})
    assert.equal(pushes.length, 1)
  }
})

test("what a restarting gateway did not answer is asked again, but for what may have been done or was never sent", async () => {
  const {topic, pushes} = fakeTopic()
  const asked = topic.stream({model: "m"})
  topic.push("room:say", {}).catch(() => {})
  topic.stream({model: "waits"}).catch(() => {})
  pushes[2].sent = false
  topic.askAgain()
  assert.deepEqual(pushes.map(({event}) => event), ["chat:stream", "room:say", "chat:stream", "chat:stream"])
  pushes[3].answer("ok", {stream_id: "s"})
  assert.equal((await asked).id, "s")
  topic.askAgain()
  assert.equal(pushes.length, 4)
})
