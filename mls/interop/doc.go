// Package interop holds tests alone: groups whose members are byre's mls package
// and ts-mls, another implementation of RFC 9420, side by side. peer is the Node
// program that ts-mls runs in; scripts/interop installs it and runs the tests.
package interop
