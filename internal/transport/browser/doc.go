// Package browser carries frames between a device in a browser and the server
// that its page came from, over one WebSocket (docs/spec/relay.md). The browser
// does TLS and judges the certificate; this package links nothing of either.
// It is built for js/wasm only.
package browser
