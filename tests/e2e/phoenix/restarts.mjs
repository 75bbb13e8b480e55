// What a page lives through when the edge goes away.
import {REQUEST, ask, closes, connect, equal, joined, ok, push, run, until} from "./client.mjs"

const PACED = {...REQUEST, model: "fake/words=60,pace=60ms"}  // longer than the grace

// A stream that a page follows as docs/channels.md says: by its numbers, which it gives back when it joins again.
async function follow(channel, positions){
  const chunks = [], ends = []
  channel.on("stream:chunk", ({stream_id, first_seq, seq, chunk, chunks: several}) => {
    equal(first_seq ?? seq, positions[stream_id] + 1)
    positions[stream_id] = seq
    chunks.push(...(several ?? [chunk]))
  })
  for(const end of ["stream:complete", "stream:error", "stream:cancelled"]){
    channel.on(end, payload => { delete positions[payload.stream_id]; ends.push([end, payload]) })
  }
  channel.push("chat:stream", {request: PACED}).receive("ok", ({stream_id}) => { positions[stream_id] = 0 })
  return {chunks, ends}
}

const text = chunks => chunks.map(chunk => chunk.choices[0]?.delta.content || "").join("")

async function live_through(cue, codes){
  const socket = connect(), positions = {}
  const channel = await joined(socket, "session:a", () => ({resume: positions}))
  const {chunks, ends} = await follow(channel, positions)
  await until(() => chunks.length > 5)
  await ask(cue)
  await until(() => closes.length > 0)
  ok(codes.includes(closes[0]), `closed with ${closes[0]}`)
  await until(() => ends.length > 0)
  equal(ends.map(([name]) => name), ["stream:complete"])
  equal(text(chunks).trim().split(/\s+/).length, 60)
}

await run({
  async reconnects_rejoins_and_sends_what_it_kept(){
    const socket = connect()
    const channel = await joined(socket, "session:a")
    await ask("kill")
    await until(() => !socket.isConnected())
    const kept = push(channel, "chat:message", {request: REQUEST}, 15_000)
    ok((await kept).choices)
    ok(socket.isConnected() && channel.state === "joined")
  },

  stream_goes_on_after_the_edge_was_killed: () => live_through("kill", [1006]),

  stream_goes_on_after_the_connection_was_cut: () => live_through("cut", [1006]),

  stream_outlives_the_edge_that_drains: () => live_through("drain", [1001, 1012]),

  async drained_clients_are_told_to_come_back(){
    const socket = connect()
    const channel = await joined(socket, "session:a")
    const seen = []
    socket.onMessage(({event}) => seen.push(event))
    await ask("drain")
    await until(() => closes.length > 0)
    equal(closes, [1012])
    ok(seen.includes("phx_drain"))
    ok((await push(channel, "chat:message", {request: REQUEST}, 15_000)).choices)
  },
})
