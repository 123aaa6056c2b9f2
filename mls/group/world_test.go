package group

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/change"
)

// Stories are told over both suites that byre uses.
var bothSuites = []ciphersuite.ID{ciphersuite.X25519_AES128GCM_SHA256_Ed25519, ciphersuite.Default}

// tale runs a story once per suite.
func tale(t *testing.T, story func(t *testing.T, w world)) {
	t.Helper()
	for _, id := range bothSuites {
		t.Run(id.String(), func(t *testing.T) { story(t, newWorld(t, id)) })
	}
}

// world is a place where devices share one suite.
type world struct {
	tb    testing.TB
	suite ciphersuite.Suite
}

func newWorld(tb testing.TB, id ciphersuite.ID) world {
	tb.Helper()
	s, err := ciphersuite.Lookup(id)
	if err != nil {
		tb.Fatal(err)
	}
	return world{tb, s}
}

// must ends the test on an error.
func must[T any](tb testing.TB, v T, err error) T {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// person is a device of somebody.
type person struct {
	world
	name   string
	signer ciphersuite.SigningKey
	*Group
}

func (w world) person(name string) *person {
	w.tb.Helper()
	return &person{world: w, name: name, signer: must2(w.suite.GenerateSigningKey())(w.tb)}
}

func must2[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T { tb.Helper(); return must(tb, v, err) }
}

var (
	notBefore = time.Unix(1_000_000, 0)
	notAfter  = time.Unix(2_000_000, 0)
)

func (p *person) creates() *person {
	p.tb.Helper()
	p.Group = must2(Create(CreateOptions{
		Suite: p.suite.ID(), Identity: []byte(p.name), Signer: p.signer, NotBefore: notBefore, NotAfter: notAfter,
	}))(p.tb)
	return p
}

func (p *person) offers() *OwnKeyPackage {
	p.tb.Helper()
	return must2(NewKeyPackage(KeyPackageOptions{
		Suite: p.suite.ID(), Identity: []byte(p.name), Signer: p.signer, NotBefore: notBefore, NotAfter: notAfter,
	}))(p.tb)
}

func claimed(tb testing.TB, k *OwnKeyPackage) *KeyPackage {
	tb.Helper()
	return must2(ParseKeyPackage(k.Public()))(tb)
}

// commits makes a commit and takes it as won.
func (p *person) commits(o CommitOptions) *Pending {
	p.tb.Helper()
	c := must2(p.Commit(o))(p.tb)
	must2(p.Confirm(c))(p.tb).Wipe()
	return c
}

// follows merges somebody's commit.
func (p *person) follows(commit []byte) {
	p.tb.Helper()
	must2(p.Merge(must2(p.Stage(commit, StageOptions{}))(p.tb)))(p.tb).Wipe()
}

func (p *person) joins(welcome []byte, k *OwnKeyPackage) {
	p.tb.Helper()
	p.Group = must2(Join(welcome, k, JoinOptions{Signer: p.signer}))(p.tb)
}

func (p *person) says(text string) []byte {
	p.tb.Helper()
	must2(p.Reserve(1))(p.tb)
	return must2(p.Seal([]byte(text), nil, 0))(p.tb)
}

func (p *person) reads(msg []byte) string {
	p.tb.Helper()
	return string(must2(p.Open(msg))(p.tb).Plaintext)
}

// party returns a group of the named: the first adds the others in one commit.
func (w world) party(names ...string) []*person {
	w.tb.Helper()
	all := make([]*person, len(names))
	for i, n := range names {
		all[i] = w.person(n)
	}
	all[0].creates()
	w.add(all[0], all[1:])
	return all
}

func (w world) add(by *person, joiners []*person) {
	w.tb.Helper()
	if len(joiners) == 0 {
		return
	}
	own := make([]*OwnKeyPackage, len(joiners))
	var o CommitOptions
	for i, p := range joiners {
		own[i] = p.offers()
		o.Add = append(o.Add, claimed(w.tb, own[i]))
	}
	c := by.commits(o)
	for i, p := range joiners {
		p.joins(c.Welcome(), own[i])
	}
}

// agree fails the test unless all are in one epoch.
func agree(tb testing.TB, all ...*person) {
	tb.Helper()
	for _, p := range all[1:] {
		if !bytes.Equal(p.EpochAuthenticator(), all[0].EpochAuthenticator()) {
			tb.Fatalf("%s at epoch %d and %s at epoch %d differ", all[0].name, all[0].Epoch(), p.name, p.Epoch())
		}
	}
}

// everything is all that g would save.
func everything(g *Group) []byte {
	return slices.Concat(g.EpochState().Reveal(), g.RatchetState().Reveal())
}

// crashes comes back from the given states.
func (p *person) crashes(epoch, ratchet secret.Bytes) {
	p.tb.Helper()
	o := RestoreOptions{Signer: p.signer}
	if p.Group != nil {
		o.Validator = p.validator
	}
	p.Group = must2(Restore(epoch, ratchet, o))(p.tb)
}

// forges commits list without the checks an honest member makes; tamper changes
// the commit before it is signed.
func (p *person) forges(list []change.Proposal, path bool, tamper func(*draft)) []byte {
	p.tb.Helper()
	c := &change.Change{Tree: p.tree.Clone(), Extensions: p.context.Extensions, NeedsPath: path}
	for _, v := range list {
		switch v := v.Value.(type) {
		case framing.Add:
			c.Added = append(c.Added, must2(c.Tree.Add(v.KeyPackage.Leaf))(p.tb))
			c.Joiners = append(c.Joiners, v.KeyPackage)
		case framing.Remove:
			if v.Leaf != p.Self() && c.Tree.Leaf(v.Leaf) != nil {
				must2(0, c.Tree.Remove(v.Leaf))(p.tb)
			}
		case framing.Update:
			must2(0, c.Tree.Update(p.Self(), v.Leaf))(p.tb)
		case framing.GroupContextExtensions:
			c.Extensions = v.Extensions
		}
	}
	d := &draft{Group: p.Group, change: c, list: list, options: &CommitOptions{}}
	must2(0, d.prepare())(p.tb)
	if tamper != nil {
		tamper(d)
	}
	return must2(d.complete())(p.tb).Commit()
}

// by is a proposal that p makes in its own commit.
func (p *person) by(v framing.Proposal) []change.Proposal {
	return []change.Proposal{{Sender: p.Self(), Value: v}}
}
