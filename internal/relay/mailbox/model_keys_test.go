package mailbox_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/wire"
)

// die ends hours of keys, before their time by the clock; the mailbox learns of
// it now or when it reads.
func (m *model) die(t *rapid.T) {
	m.oldest = max(m.oldest, m.segment()-rapid.Uint32Range(0, 30).Draw(t, "lives"))
	if rapid.Bool().Draw(t, "told") {
		m.mb.Expire(m.now, m.oldest, m)
	}
}

// segment is the hour of keys that is sealed in now.
func (m *model) segment() uint32 { return 100 + uint32(m.now.Sub(began)/time.Hour) }

// withdrawTag is by what something is withdrawn: every third by nothing.
func withdrawTag(s *sent) uint64 {
	if s.id%3 == 0 || s.class == wire.ClassHandshake {
		return 0
	}
	return uint64(s.id)
}

func (m *model) withdraw(t *rapid.T) {
	if len(m.sent) == 0 {
		return
	}
	s := m.sent[rapid.IntRange(0, len(m.sent)-1).Draw(t, "which")]
	before := m.mb.Summary().Count
	found := m.mb.Withdraw(m.now, withdrawTag(s), m)
	if found != (m.mb.Summary().Count == before-1) || (found && withdrawTag(s) == 0) {
		t.Fatalf("%d: withdrawn %v, and %d are left of %d", s.id, found, m.mb.Summary().Count, before)
	}
	s.withdrawn, s.recalled = s.withdrawn || found, s.recalled || found
	if again := m.mb.Withdraw(m.now, withdrawTag(s), m); again {
		t.Fatal("withdrawn twice")
	}
}
