// Serves the page `room.html`, and passes its WebSocket on to the gateway: so the page is of the gateway's own origin, and never sees the API
// key, which is added here. What a server of yours would do, too. On loopback only.
import {createReadStream, existsSync, readFileSync} from "node:fs"
import {createServer} from "node:http"
import {connect} from "node:net"
import {dirname, extname, join} from "node:path"
import {fileURLToPath} from "node:url"
import {parseArgs} from "node:util"

const HERE = dirname(fileURLToPath(import.meta.url))
const {values: options} = parseArgs({options: {
  port: {type: "string", default: "8000"},
  gateway: {type: "string", default: "http://127.0.0.1:4003"},
  key: {type: "string", default: join(HERE, "../../../.runestone/development.key")},
}})
const gateway = new URL(options.gateway)

const TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript"}
const FILES = {"/": join(HERE, "room.html"), "/phoenix.mjs": join(HERE, "../node_modules/phoenix/priv/static/phoenix.mjs")}
const find = path => FILES[path] ?? (/^\/client\/\w+\.js$/.test(path) ? join(HERE, "../dist", path.slice("/client/".length)) : null)

// A name that leads here from elsewhere would make any page ours.
const isHere = host => /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host ?? "")
const readKey = () => (process.env.RUNESTONE_API_KEY ?? readFileSync(options.key, "utf8")).trim()

const server = createServer((request, response) => {
  const file = find(new URL(request.url, "http://here").pathname)
  if(!isHere(request.headers.host) || file === null || !existsSync(file)){
    response.writeHead(404).end("not found\n")
    return
  }
  response.writeHead(200, {"content-type": TYPES[extname(file)], "cache-control": "no-store"})
  createReadStream(file).pipe(response)
})

server.on("upgrade", (request, socket, head) => {
  const isOurs = isHere(request.headers.host) && request.headers.origin === `http://${request.headers.host}`
  if(!isOurs || !request.url.startsWith("/socket/websocket?")){
    socket.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    return
  }
  const there = connect(Number(gateway.port || 80), gateway.hostname)
  const end = () => { socket.destroy(); there.destroy() }
  for(const one of [socket, there]){ one.on("error", end).on("close", end) }
  let key
  try { key = readKey() } catch(error){ console.error(error.message); end(); return }
  const names = request.rawHeaders.map((text, index) => index % 2 ? `${text}\r\n` : `${text}: `).join("")
  there.write(`GET ${request.url} HTTP/1.1\r\n${names}authorization: Bearer ${key}\r\n\r\n`)
  there.write(head)
  there.pipe(socket)
  socket.pipe(there)
})

server.listen(Number(options.port), "127.0.0.1", () => {
  console.log(`Open http://127.0.0.1:${server.address().port} in two windows. The gateway is ${gateway.origin}. Ctrl-C ends it.`)
})
