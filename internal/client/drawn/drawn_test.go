package drawn

import (
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
)

var (
	noon    = time.Unix(1_800_000_000, 0)
	mallory = ident.AccountID{1}
	bob     = ident.AccountID{2}
)

// TestAMemberDrawsADaysWorth: mallory has a device of its own brought back all day
// long. It is sent two thousand messages at first and a thousand a day then, and
// bob has his own share.
func TestAMemberDrawsADaysWorth(t *testing.T) {
	var b By
	total := uint64(0)
	for at := time.Duration(0); at < 24*time.Hour; at += 10 * time.Minute {
		n := b.Left(mallory, noon.Add(at))
		if n > AtOnce {
			t.Fatalf("%d at once", n)
		}
		total += n
		b = b.Draw(mallory, n, noon.Add(at))
	}
	if total < most+AtOnce*9/10 || total > most+AtOnce {
		t.Errorf("mallory drew %d messages in a day", total)
	}
	later := noon.Add(24 * time.Hour)
	if n := b.Left(bob, later); n != AtOnce {
		t.Errorf("bob is left %d", n)
	}
	b = b.Draw(bob, 10, later)
	if n := b.Left(mallory, later.Add(-72*time.Hour)); n > 10 {
		t.Errorf("a clock that is set back gives %d", n)
	}
	if b = b.Draw(bob, 1, later.Add(72*time.Hour)); len(b) != 1 || b.Left(mallory, later.Add(72*time.Hour)) != AtOnce {
		t.Errorf("three days later %d accounts are remembered", len(b))
	}
	if b = b.Draw(bob, 0, later.Add(400*24*time.Hour)); len(b) != 1 {
		t.Error("what draws nothing changes something")
	}
}
