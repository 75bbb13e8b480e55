// What pages do in a room together, with Phoenix' own Presence.
import {Presence, REQUEST, answered, ask, closes, connect, equal, failed, joined, listen, ok, once, push, run, until} from "./client.mjs"

const PACED = {...REQUEST, model: "fake/words=60,pace=40ms"}
const text = chunks => chunks.map(({chunk}) => chunk.choices[0]?.delta.content || "").join("")

// A page in a room: what it knows of who is there, and every change that it was told.
async function enter(room, key, meta = {}){
  const socket = connect()
  const channel = socket.channel(`room:${room}`, () => ({key, meta}))
  const presence = new Presence(channel), changes = []
  presence.onJoin((key, before, now) => changes.push(["join", key, before ? before.metas.length : 0]))
  presence.onLeave((key, rest) => changes.push(["leave", key, rest.metas.length]))
  const response = await answered(channel.join())
  return {socket, channel, presence, changes, response}
}

const keys = ({presence}) => presence.list(key => key).sort().join()
const metas = ({presence}, key) => presence.list((name, {metas}) => name === key ? metas : []).flat()

await run({
  async pages_see_each_other_come_and_go(){
    const ann = await enter("seen", "ann", {mood: "fine"})
    equal([ann.response.key, ann.response.history], ["ann", []])
    const bob = await enter("seen", "bob")
    await until(() => keys(ann) === "ann,bob" && keys(bob) === "ann,bob", "both see both")
    equal(metas(bob, "ann").map(({mood, phx_ref}) => [mood, phx_ref]), [["fine", ann.response.phx_ref]])
    const second = await enter("seen", "bob")
    await until(() => metas(ann, "bob").length === 2, "two presences under one key")
    await answered(second.channel.leave())
    await until(() => metas(ann, "bob").length === 1)
    equal(keys(ann), "ann,bob")
    bob.socket.disconnect()
    await until(() => keys(ann) === "ann")
    equal(ann.changes, [["join", "ann", 0], ["join", "bob", 0], ["join", "bob", 1], ["leave", "bob", 1], ["leave", "bob", 0]])
  },

  async what_is_told_of_a_page_changes(){
    const ann = await enter("changed", "ann", {mood: "fine"}), bob = await enter("changed", "bob")
    await until(() => keys(bob) === "ann,bob")
    const {phx_ref} = await push(ann.channel, "presence:update", {meta: {mood: "better"}})
    for(const page of [ann, bob]){
      await until(() => metas(page, "ann")[0]?.mood === "better")
      equal(metas(page, "ann"), [{phx_ref, phx_ref_prev: ann.response.phx_ref, mood: "better"}])
    }
    equal((await failed(push(ann.channel, "presence:update", {meta: 3}))).response.status, 400)
  },

  async keys_that_are_members_of_every_object(){
    const page = await enter("prototypes", "__proto__"), other = await enter("prototypes", "constructor")
    await until(() => keys(page) === "__proto__,constructor" && keys(other) === keys(page))
    await answered(other.channel.leave())
    await until(() => keys(page) === "__proto__")
  },

  async all_read_one_answer_and_any_of_them_controls_it(){
    const ann = await enter("shared", "ann"), bob = await enter("shared", "bob")
    const [seen, heard] = [ann, bob].map(({channel}) => listen(channel, "stream:started", "stream:chunk", "stream:paused"))
    const complete = [ann, bob].map(({channel}) => once(channel, "stream:complete"))
    const {stream_id} = await push(ann.channel, "chat:stream", {request: PACED, note: "Hello?"})
    await until(() => heard["stream:chunk"].length > 3)
    await push(bob.channel, "stream:control", {stream_id, action: "pause"})
    await until(() => seen["stream:paused"].length === 1)
    equal(seen["stream:paused"][0].by, "bob")
    await push(ann.channel, "stream:control", {stream_id, action: "resume"})
    for(const end of await Promise.all(complete)) equal(end.stream_id, stream_id)
    for(const page of [seen, heard]){
      equal(page["stream:started"].map(({from, note}) => [from, note]), [["ann", "Hello?"]])
      equal(text(page["stream:chunk"]).trim().split(/\s+/).length, 60)
    }
  },

  async history_is_told_to_who_comes(){
    const ann = await enter("history", "ann")
    const {position} = await push(ann.channel, "room:message", {text: "hello"})
    await push(ann.channel, "room:message", {text: "again"})
    const bob = await enter("history", "bob")
    equal(bob.response.history.map(({event, payload}) => [event, payload.from, payload.body.text]),
      [["room:message", "ann", "hello"], ["room:message", "ann", "again"]])
    const behind = await answered(connect().channel("room:history", {after: position}).join())
    equal(behind.history.map(({payload}) => payload.body.text), ["again"])
  },

  async pages_come_back_by_themselves_when_their_edge_is_killed(){
    const pages = await Promise.all([1, 2, 3, 4, 5, 6].map(number => enter("killed", `page ${number}`)))
    const everybody = pages.map((_, index) => `page ${index + 1}`).join()
    await until(() => pages.every(page => keys(page) === everybody), "all see all")
    await ask("kill")
    await until(() => closes.length === pages.length, "all connections are lost")
    await until(() => pages.every(({channel, socket}) => socket.isConnected() && channel.state === "joined"), "all are back")
    const deadline = Date.now() + 30_000
    const whole = page => keys(page) === everybody && pages.every((_, index) => metas(page, `page ${index + 1}`).length === 1)
    while(!pages.every(whole)){
      ok(Date.now() < deadline, `ghosts: ${pages.map(page => JSON.stringify(page.presence.state))}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  },
})
