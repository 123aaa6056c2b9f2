//go:build js && wasm

// Command corewasm is the device core for browsers: the worker of web/src/core
// loads it.
package main

import "github.com/byre-messenger/byre/internal/webcore"

func main() { webcore.Run() }
