// Package idbstore keeps a [store.Store] in a browser's IndexedDB. The engine
// itself is built for js/wasm only.
//
// Whoever loads the WASM must have run [JS] before, in the same page or worker.
package idbstore

import _ "embed"

// JS is the half of the engine that runs in JavaScript: a plain script that
// defines the global byreIDB. It is served beside the WASM instead of being
// evaluated by it, which a strict content security policy would refuse.
//
//go:embed idb.js
var JS []byte
