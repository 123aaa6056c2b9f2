package ciphersuite

// interop is empty here: see p256.go.
var interop []*params
