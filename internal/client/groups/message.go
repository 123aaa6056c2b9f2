package groups

import (
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/group"
)

// Seal encrypts content into an envelope of the present epoch. The key it uses
// is given up by the state that the next Save writes, which must be durable
// before the envelope leaves.
func (g *Group) Seal(c *wire.Content) ([]byte, error) {
	if _, err := g.mls.Reserve(1); err != nil {
		return nil, err
	}
	msg, err := g.mls.Seal(c.Append(nil), nil, 0)
	if err != nil {
		return nil, err
	}
	return g.env.Seal(envelope.Message, msg)
}

// Opened is what an envelope of a group held.
type Opened struct {
	// From and Plaintext are of an application message; Plaintext is nil where
	// there is none to read.
	From      account.Member
	Plaintext []byte
	// Changed tells that the group must be saved.
	Changed bool
}

// Open reads an envelope that was sent at a time and came at another, if it is of one of the group's
// live epochs: ok tells. What is of one and does not open is garbage, and comes
// back empty. A commit is but a hint to read the log, which alone tells which
// commit won.
func (g *Group) Open(tx *home.Tx, env []byte, sent, came time.Time) (o Opened, ok bool) {
	if !g.Rec.Over && g.env.Fits(env) {
		return g.openPresent(env, sent, came), true
	}
	for i, p := range g.past {
		if p.env.Fits(env) {
			return g.openPast(tx, i, env, sent, came), true
		}
	}
	return o, false
}

func (g *Group) openPresent(env []byte, sent, came time.Time) (o Opened) {
	msg, err := g.env.Open(env)
	if err != nil {
		return o
	}
	head, err := group.Peek(msg)
	if err != nil {
		return o
	}
	if head.Kind == group.KindCommit {
		if g.Rec.ReadLog = true; g.hint.IsZero() {
			g.hint = sent
		}
		return Opened{Changed: true}
	}
	m, err := g.mls.Open(msg)
	if err != nil {
		return o // replayed, or garbage of a member
	}
	o.Changed = true
	if i := slices.IndexFunc(g.Members, func(x account.Member) bool { return x.Leaf == m.Sender.Leaf }); i >= 0 {
		o.From, o.Plaintext = g.Members[i], m.Plaintext
		g.heard(o.From, sent, came, true)
	}
	return o
}

func (g *Group) openPast(tx *home.Tx, i int, env []byte, sent, came time.Time) (o Opened) {
	p := g.past[i]
	msg, err := p.env.Open(env)
	if err != nil {
		return o
	}
	m, err := p.mls.Open(msg)
	if err != nil {
		return o // replayed, garbage, or a commit that is known
	}
	tx.PutBytes(g.home.Key(home.Ratchet, g.ID).At(g.Rec.Past[i].Epoch), p.mls.RatchetState().Reveal())
	if from, err := account.ReadMember(m.Sender); err == nil {
		o.From, o.Plaintext = from, m.Plaintext
		g.heard(from, sent, came, false)
		o.Changed = true
	}
	return o
}
