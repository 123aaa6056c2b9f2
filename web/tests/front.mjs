// What stands between browsers and byred in the tests: everything passes through
// as it is, but that the content security policy gets an address for reports,
// and that a test may have pages get another build of the client.
import { createServer, request } from "node:http";
import { connect } from "node:net";

/** The mark in the names of another build's files. */
export const NEWER = ".newer";
const REPORTS = "/reports-of-the-policy";

/** The same bytes under other names, as after a release. */
const rename = (text) => text.replace(/\b([A-Za-z][\w.]*-[\w-]{8})\.js/g, `$1${NEWER}.js`);

function collect(stream, then) {
  const parts = [];
  stream.on("data", (part) => parts.push(part)).on("end", () => then(Buffer.concat(parts)));
}

/** Starts a front for the byred whose pages are at a port of this machine. */
export async function front(to) {
  const f = { port: 0, reports: [], newer: false, close: () => new Promise((done) => { server.close(done); server.closeAllConnections(); }) };
  const sockets = new Set();
  const server = createServer((req, res) => {
    if (req.url === REPORTS) {
      collect(req, (body) => f.reports.push(body.toString()));
      return res.writeHead(204).end();
    }
    const headers = { ...req.headers };
    // A page of another build goes on asking for that build's files.
    const other = req.url.includes(NEWER) || (f.newer && req.url === "/");
    if (other) headers["accept-encoding"] = "identity";
    const up = request({ host: "localhost", port: to, method: req.method, path: req.url.replace(NEWER + ".js", ".js"), headers }, (answer) => {
      const out = { ...answer.headers };
      if (out["content-security-policy"]) out["content-security-policy"] += `; report-uri ${REPORTS}`;
      if (!other) {
        res.writeHead(answer.statusCode, out);
        return answer.pipe(res);
      }
      collect(answer, (body) => {
        const text = Buffer.from(rename(body.toString()));
        res.writeHead(answer.statusCode, { ...out, "content-length": text.length });
        res.end(req.method === "HEAD" ? undefined : text);
      });
    });
    up.on("error", () => res.destroy()); // byred is away
    req.pipe(up);
  });
  server.on("upgrade", (req, socket, head) => {
    const up = connect(to, "localhost", () => {
      const lines = [];
      for (let i = 0; i < req.rawHeaders.length; i += 2) lines.push(`${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}`);
      up.write(`${req.method} ${req.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      up.write(head);
      up.pipe(socket).pipe(up);
    });
    const end = () => { sockets.delete(socket); up.destroy(); socket.destroy(); };
    for (const s of [up, socket]) s.on("error", end).on("close", end);
    sockets.add(socket);
  });
  const close = f.close;
  f.close = () => { for (const s of sockets) s.destroy(); return close(); };
  await new Promise((done) => server.listen(0, "localhost", done));
  f.port = server.address().port;
  return f;
}
