package testnet_test

import (
	"fmt"
	"testing"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/testnet"
)

// BenchmarkLive is one message from send to confirmation by the receiver's
// device, everything in this process and stores in memory.
func BenchmarkLive(b *testing.B) {
	for _, suite := range suites {
		b.Run(suite.String(), func(b *testing.B) {
			n := testnet.New(b, testnet.Options{Suite: suite})
			defer n.Close()
			alice, bob := n.Join("alice"), n.Join("bob")
			alice.Says(bob, "hello")
			alice.Syncs()
			bob.Syncs()
			alice.Connect()
			bob.Connect()
			m := alice.Says(bob, "warm")
			if _, err := alice.WaitFor(b.Context(), m.ID, told.Confirmed); err != nil {
				b.Fatal(err)
			}
			i := 0
			for b.Loop() {
				i++
				m := alice.Says(bob, fmt.Sprint("message ", i))
				if _, err := alice.WaitFor(b.Context(), m.ID, told.Confirmed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFlush is a thousand messages that wait in the outbox, sent to a
// device that is away.
func BenchmarkFlush(b *testing.B) {
	n := testnet.New(b, testnet.Options{})
	defer n.Close()
	alice, bob := n.Join("alice"), n.Join("bob")
	for b.Loop() {
		b.StopTimer()
		for i := range 1000 {
			alice.Says(bob, fmt.Sprint("message ", i))
		}
		b.StartTimer()
		alice.Syncs()
		bob.Syncs()
	}
}
