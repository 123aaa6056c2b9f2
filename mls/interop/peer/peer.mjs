// Speaks one JSON object a line: a request {op, client, ...} on standard input, a
// reply on standard output, in order. A reply holds "error" when ts-mls refused;
// the client is then as it was. `node peer.mjs bench` measures instead.
import { createInterface } from "node:readline"
import { bench } from "./bench.mjs"
import { Client } from "./client.mjs"

const operations = new Set([
  "keypackage", "create", "join", "external", "groupinfo", "knock", "branch", "joinbranch",
  "send", "propose", "commit", "confirm", "discard", "process", "describe",
])

const clients = new Map()

async function answer(r) {
  if (r.op === "forget") {
    clients.clear()
    return {}
  }
  if (!operations.has(r.op)) throw new Error(`peer: no operation ${r.op}`)
  if (!clients.has(r.client)) clients.set(r.client, new Client(r.client))
  return clients.get(r.client)[r.op](r)
}

async function serve() {
  // Of several promises that fail at once ts-mls awaits one; the answer tells it.
  process.on("unhandledRejection", () => {})
  for await (const line of createInterface({ input: process.stdin })) {
    let reply
    try {
      reply = await answer(JSON.parse(line))
    } catch (e) {
      reply = { error: `${e.name}: ${e.message}` }
    }
    process.stdout.write(JSON.stringify(reply) + "\n")
  }
}

if (process.argv[2] === "bench") await bench((line) => process.stdout.write(line + "\n"))
else await serve()
