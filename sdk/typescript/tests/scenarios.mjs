// What a program does with the whole mesh: node scenarios.mjs URL KEY SCENARIO. A line `cue ...` asks the test to do something.
import assert from "node:assert/strict"
import WebSocket from "ws"
import {GatewayError, StreamCancelledError, connect} from "../dist/index.js"

const [url, key, scenario] = process.argv.slice(2)
const PATIENCE = 20_000
const states = []
const open = () => connect(url, {apiKey: () => key, socket: {transport: WebSocket}, onState: state => states.push(state)})
const question = model => ({model: `fake/${model}`, messages: [{role: "user", content: "Why?"}]})
const words = text => text.split(/\s+/).filter(Boolean).length

async function until(holds){
  const deadline = Date.now() + PATIENCE
  while(!holds()){
    assert.ok(Date.now() < deadline, `never: ${holds}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

const ask = cue => new Promise(resolve => {
  process.stdin.once("data", resolve)
  console.log(`cue ${cue}`)
})

const scenarios = {
  async a_session_streams_and_answers(){
    const session = await open().session()
    const stream = await session.stream(question("words=5"))
    let last = 0
    for await (const {seq} of stream){ assert.ok(seq > last); last = seq }
    assert.equal(words(stream.text), 5)
    assert.ok(stream.bill.usage.output_tokens > 0 && stream.bill.cost > 0)
    assert.equal(stream.origin.provider, "fake")
    assert.equal(words((await session.message(question("words=6"))).choices[0].message.content), 6)
    await assert.rejects(session.message({model: "fake/words=1"}), error => error instanceof GatewayError && error.status === 400)
    await session.leave()
    await assert.rejects(session.message(question("words=1")))
  },

  async streams_go_on_through_cuts_and_killed_edges(){
    const session = await open().session()
    const streams = [await session.stream(question("words=80,pace=30ms")), await session.stream(question("words=90,pace=30ms"))]
    const texts = Promise.all(streams.map(stream => stream.finish()))
    for(const cue of ["cut", "kill", "cut"]){
      const mark = streams[1].lastSeq
      await until(() => streams[1].lastSeq > mark + 5)
      await ask(cue)
    }
    assert.deepEqual((await texts).map(words), [80, 90])
    assert.ok(states.includes("connecting"))
  },

  async members_of_a_room_share_an_answer(){
    const ann = await open().room("shared", {key: "ann", meta: {color: "red"}})
    const bob = await open().room("shared", {key: "bob"})
    const heard = []
    ann.on("message", ({from, body}) => heard.push([from, body]))
    await until(() => ["ann", "bob"].every(name => name in ann.presence && name in bob.presence))
    assert.equal(bob.presence.ann[0].color, "red")
    await bob.say({text: "hello"})
    const stream = await ann.stream(question("words=20000,pace=5ms"), {note: "Why?"})
    await until(() => bob.streams[0]?.lastSeq > 3)
    const [seen] = bob.streams
    assert.deepEqual([seen.origin.note, seen.origin.from, seen.id], ["Why?", "ann", stream.id])
    await seen.pause()
    await until(() => stream.isPaused)
    await seen.resume()
    const mark = stream.lastSeq
    await until(() => stream.lastSeq > mark + 3)
    await seen.cancel()
    for(const each of [stream, seen]){
      await assert.rejects(each.finish(), error => error instanceof StreamCancelledError && error.by === "bob")
    }
    assert.deepEqual(heard, [["bob", {text: "hello"}]])
    const late = await open().room("shared", {key: "late"}), past = []
    late.on("message", ({body}) => past.push(body))
    late.on("stream", ({note, stream}) => past.push([note, stream]))
    await until(() => past.length === 2)
    assert.deepEqual(past, [{text: "hello"}, ["Why?", null]])
  },

  async a_room_is_whole_again_behind_a_cut(){
    const ann = await open().room("cut", {key: "ann"}), heard = []
    ann.on("message", ({body}) => heard.push(body))
    for(const n of [1, 2, 3, 4]){
      await ann.say({n})
      if(n === 2){ await ask("cut"); await until(() => states.at(-1) === "connected") }
    }
    await until(() => heard.length === 4 && Object.keys(ann.presence).join() === "ann" && ann.presence.ann.length === 1)
    assert.deepEqual(heard, [{n: 1}, {n: 2}, {n: 3}, {n: 4}])
  },

  async a_wrong_room_is_refused(){
    await assert.rejects(open().room("x".repeat(129)), error => error instanceof GatewayError && error.status === 400)
  },
}

await scenarios[scenario]()
console.log(`passed ${scenario}`)
process.exit(0)
