"use strict";
// Runs the test binary with the arguments of the page's address and tells the
// server what it prints and how it ends.
(async () => {
  let last = Promise.resolve();
  const post = (path, body) => { last = last.then(() => fetch(path, { method: "POST", body })); };
  console.log = console.error = (...line) => post("/print", line.join(" "));
  try {
    const go = new Go();
    go.argv = ["test", ...new URLSearchParams(location.search).getAll("arg")];
    go.exit = (code) => post("/exit", String(code));
    const { instance } = await WebAssembly.instantiateStreaming(fetch("/test.wasm"), go.importObject);
    await go.run(instance);
  } catch (e) {
    console.log(String(e));
    post("/exit", "1");
  }
})();
