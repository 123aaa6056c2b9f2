// Package wire holds what byre's programs say to each other and what they keep
// in their stores: plain structs generated from proto/byre/v1, with a proto3
// codec of our own (google protobuf would cost the web client half a megabyte).
//
// [Message] states what every generated type can do. The encoding is canonical:
// ascending field numbers, defaults left out, repeated numbers packed. So the
// same value always has the same bytes, and what is signed or hashed is carried
// as bytes all the same and verified before it is parsed.
//
// A oneof is a sealed interface, implemented by the messages that are its cases:
//
//	wire.Request{Id: 1, Body: &wire.Ack{N: 7}}
//
// and a switch over it should name every case. go-check-sumtype finds those that
// do not; run as a part of golangci-lint it sees switches of this package alone.
package wire

//go:generate go run ./gen -root ../../proto -dir byre/v1
//go:generate go run ./gen -root gen/testdata -dir sample -suffix .gen_test.go
