package testnet_test

import (
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestTheServerCallsTheAccountOtherwise: the device that showed the code says that
// it is alice's, and behind the sign-in the server calls the account mallory. The
// new device tells its person both names, once; where they agree it says nothing.
func TestTheServerCallsTheAccountOtherwise(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		phone := n.Join("alice")
		named := func(p *testnet.Person) (n int) {
			for _, ev := range p.Took() {
				if k, ok := ev.(told.KeyChanged); ok && strings.Contains(k.Text, "alice") && strings.Contains(k.Text, "mallory") {
					n++
				}
			}
			return n
		}
		for _, lies := range []bool{false, true} {
			pc := n.Newcomer("alice's PC")
			if lies {
				pc.Switch.Tap(answering(func(b wire.ResponseBody) wire.ResponseBody {
					if a, ok := b.(*wire.Account); ok && a.Name != "" {
						a.Name = "mallory"
					}
					return b
				}))
			}
			s := links(t, phone, &hands{})
			if err := pc.Joins(t.Context(), s.link.Code, &hands{}); err != nil {
				t.Fatal(err)
			}
			if err := <-s.done; err != nil {
				t.Fatal(err)
			}
			if got := named(pc); (got == 1) != lies {
				t.Errorf("lies: %v; alice was told %d times", lies, got)
			}
			if err := pc.Crash(); err != nil {
				t.Fatal(err)
			}
			pc.Syncs()
			if got := named(pc); got != 0 {
				t.Errorf("lies: %v; alice was told %d times more", lies, got)
			}
		}
		if got := named(phone); got != 0 {
			t.Errorf("the phone was told %d times", got)
		}
	})
}
