// Phoenix' own client as a page would use it, with promises around its callbacks.
import {Presence, Socket} from "phoenix"
import WebSocket from "ws"

export {Presence}
export const [url, key] = process.argv.slice(2)
export const REQUEST = {model: "fake/words=5", messages: [{role: "user", content: "Hello"}]}
const PATIENCE = 15_000

// Every connection's close code, in order.
export const closes = []

export function connect(options = {}){
  const socket = new Socket(url, {transport: WebSocket, params: {api_key: key}, ...options})
  socket.onClose(event => closes.push(event.code))
  socket.connect()
  return socket
}

export const joined = (socket, topic, params) => {
  const channel = socket.channel(topic, params)
  return answered(channel.join()).then(() => channel)
}

export const push = (channel, event, payload, timeout) => answered(channel.push(event, payload, timeout))

// The response; rejects with `{status, response}` for anything but ok.
export const answered = push => new Promise((resolve, reject) => {
  push.receive("ok", resolve)
  push.receive("error", response => reject({status: "error", response}))
  push.receive("timeout", () => reject({status: "timeout"}))
})

export const failed = promise => promise.then(value => { throw new Error(`no failure: ${JSON.stringify(value)}`) }, error => error)

// Collects a channel's events by their names.
export function listen(channel, ...names){
  const seen = Object.fromEntries(names.map(name => [name, []]))
  names.forEach(name => channel.on(name, payload => seen[name].push(payload)))
  return seen
}

export const once = (channel, event) => new Promise(resolve => {
  const ref = channel.on(event, payload => { channel.off(event, ref); resolve(payload) })
})

export async function until(holds, what = String(holds)){
  const deadline = Date.now() + PATIENCE
  while(!holds()){
    if(Date.now() > deadline){ throw new Error(`never: ${what}`) }
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

// Asks the test to do something, and waits until it is done.
export const ask = cue => new Promise(resolve => {
  process.stdin.once("data", resolve)
  console.log(`cue ${cue}`)
})

export function equal(actual, expected){
  const [a, b] = [actual, expected].map(value => JSON.stringify(value))
  if(a !== b){ throw new Error(`expected ${b}, got ${a}`) }
}

export function ok(value, what){
  if(!value){ throw new Error(what || "not so") }
}

export async function run(scenarios){
  const name = process.argv[4]
  await scenarios[name]()
  console.log(`passed ${name}`)
  process.exit(0)
}
