package testnet_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// At whichever frame a line breaks, before the frame has arrived or after it had
// its effect, everything that was written is read exactly once and in order, and
// no device stops.
func TestTheLineBreaksAtEachFrame(t *testing.T) {
	suite := ciphersuite.X25519_AES128GCM_SHA256_Ed25519
	var frames [2][2]int // of alice and bob, down and up
	chronicled(t, suite, func(alice, bob *testnet.Person) {
		for who, p := range []*testnet.Person{alice, bob} {
			p.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
				frames[who][way(up)]++ // one tap of a line runs at a time
				return []*wire.Frame{f}
			})
		}
	})
	t.Logf("frames down and up: alice's %v, bob's %v", frames[0], frames[1])
	stride := 25
	if os.Getenv("BYRE_LONG") != "" {
		stride = 1
	} else {
		t.Logf("one frame in %d: set BYRE_LONG=1 for all", stride)
	}
	stories, broken, offset := 0, 0, 0
	for who, name := range []string{"alice", "bob"} {
		for _, up := range []bool{false, true} {
			if frames[who][way(up)] < 20 {
				t.Fatal("too few frames: the plan would test nothing")
			}
			for _, before := range []bool{false, true} {
				offset += 7 // the ways take turns at the frames
				for k := 1 + offset%stride; k <= frames[who][way(up)]; k += stride {
					t.Run(fmt.Sprintf("%s/up=%v/before=%v/%d", name, up, before, k), func(t *testing.T) {
						var line *testnet.Switch
						c := chronicled(t, suite, func(alice, bob *testnet.Person) {
							line = []*testnet.Person{alice, bob}[who].Switch
							line.Break(up, k, before)
						})
						stories++
						broken += line.Breaks()
						if c.crashes > 0 {
							t.Errorf("a device had to be switched off %d times", c.crashes)
						}
					})
				}
			}
		}
	}
	// Frames that gather travel together now and then, so that the last ones may
	// not come.
	if broken < stories*8/10 {
		t.Errorf("%d stories were told and the line broke %d times", stories, broken)
	}
	t.Logf("%d stories, %d breaks", stories, broken)
}

func way(up bool) int {
	if up {
		return 1
	}
	return 0
}
