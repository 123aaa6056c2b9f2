package interop

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"
)

// resumable is how many epochs back a resumption secret is still known to all.
const resumable = kept - 1

// proposal is one that was sent by itself.
type proposal struct {
	from     *someone
	kind     string
	ref      []byte
	target   uint32   // of remove and update
	newcomer *someone // of add
	leaving  *someone // of remove
}

// plan is a commit to be made.
type plan struct {
	by      *someone
	refs    []proposal
	adds    []*someone
	offers  [][]byte // their key packages
	removes []*someone
	request request
	touched map[uint32]bool // leaves that the commit updates or removes
}

// propose lets members propose things, for the next commit to take up.
func (w *world) propose() ([]proposal, error) {
	var list []proposal
	for range w.rand.IntN(4) {
		one := func() (proposal, error) { return w.proposeOne(list) }
		if len(w.members) < w.most && w.likely(0.15) {
			one = w.knock
		}
		p, err := one()
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// proposeOne adds one to the proposals of an epoch. The same Remove is not
// proposed twice: as PublicMessages both would have one reference.
func (w *world) proposeOne(sofar []proposal) (proposal, error) {
	from := w.present()[0]
	p := proposal{from: from}
	r := request{Op: "propose", Public: from.byre == nil && w.likely(0.3)}
	others := slices.DeleteFunc(w.present(from), func(s *someone) bool {
		return slices.ContainsFunc(sofar, func(p proposal) bool { return p.leaving == s })
	})
	switch n := w.rand.IntN(4); {
	case n == 0 && len(w.members) < w.most:
		r.Kind = "add"
		var offered []byte
		var err error
		if p.newcomer, offered, err = w.newcomer(); err != nil {
			return p, err
		}
		r.KeyPackages = [][]byte{offered}
	case n == 1 && len(others) > 2:
		r.Kind, p.leaving, p.target = "remove", others[0], others[0].leaf
		r.Remove = []uint32{p.target}
	case n == 2 && w.likely(0.5):
		r.Kind, r.PSKs = "psk", []pskID{{ID: w.externalKey()}}
	case n == 2:
		r.Kind, r.Extensions = "extensions", w.extensions()
	default:
		r.Kind, p.target = "update", from.leaf
	}
	p.kind = r.Kind
	a, err := w.ask(from, r)
	if err != nil {
		return p, err
	}
	p.ref = a.Ref
	w.note("%v proposes: %s %v", from, p.kind, p.target)
	w.count.add("propose "+p.kind, from)
	return p, w.handshake(from, a.Message, a.Ref)
}

// newcomer returns somebody new with a key package.
func (w *world) newcomer() (*someone, []byte, error) {
	s, err := w.somebody()
	if err != nil {
		return nil, nil, err
	}
	a, err := w.ask(s, offer("keypackage"))
	return s, a.Message, err
}

// externalKey makes a pre-shared key that everybody gets.
func (w *world) externalKey() []byte {
	k := externalKey{ID: w.bytes(8), Key: w.bytes(32)}
	w.keys = append(w.keys, k)
	return k.ID
}

// plan decides what by commits, given the proposals that all have seen.
func (w *world) plan(by *someone, proposals []proposal) (*plan, error) {
	p := &plan{by: by, touched: map[uint32]bool{by.leaf: true}}
	p.request = request{
		Op: "commit", Public: w.likely(0.5), TreeOutOfBand: w.likely(0.5),
		Path: by.byre != nil && w.likely(0.3), AuthenticatedData: w.bytes(w.rand.IntN(20)),
	}
	if w.likely(0.1) { // an update alone
		return p, nil
	}
	for _, s := range w.ghosts() {
		p.remove(s)
	}
	for _, o := range shuffled(w, proposals) {
		if w.likely(0.9) {
			p.take(o)
		}
	}
	if len(w.members) < 3 || w.likely(0.4) {
		for n := 1 + w.rand.IntN(max(3, w.most/4)); n > 0 && len(w.members)+len(p.adds) < w.most; n-- {
			if err := w.planAdd(p); err != nil {
				return nil, err
			}
		}
	}
	if w.likely(0.3) {
		if others := w.present(by); len(others) > 2 {
			p.remove(others[0])
		}
	}
	if w.likely(0.2) {
		p.request.PSKs = append(p.request.PSKs, pskID{ID: w.externalKey()})
	}
	if byReference := p.request.SetExtensions; byReference {
		p.request.SetExtensions = false
	} else if by.byre != nil && w.likely(0.1) { // defect 3
		p.request.SetExtensions, p.request.Extensions = true, w.extensions()
	}
	if len(p.adds) == 0 && p.emptiesHalf(w.members) { // defect 7
		if err := w.planAdd(p); err != nil {
			return nil, err
		}
	}
	w.planResumption(p)
	for _, o := range p.refs {
		p.request.Refs = append(p.request.Refs, o.ref)
	}
	p.request.KeyPackages = p.offers
	return p, nil
}

// take takes a proposal up if RFC 9420 12.2 lets it stand beside the others.
func (p *plan) take(o proposal) {
	switch o.kind {
	case "update", "remove":
		if p.touched[o.target] {
			return
		}
		p.touched[o.target] = true
	case "extensions":
		if p.request.SetExtensions || p.by.byre == nil { // defect 3
			return
		}
		p.request.SetExtensions = true // until the end of plan
	case "add":
		p.adds = append(p.adds, o.newcomer)
	}
	p.refs = append(p.refs, o)
}

func (p *plan) remove(s *someone) {
	if !p.touched[s.leaf] {
		p.touched[s.leaf] = true
		p.removes = append(p.removes, s)
		p.request.Remove = append(p.request.Remove, s.leaf)
	}
}

// emptiesHalf reports whether no member would be left in the left half of the
// tree.
func (p *plan) emptiesHalf(members []*someone) bool {
	first, last := ^uint32(0), uint32(0)
	for _, s := range members {
		if !p.gone(s) {
			first, last = min(first, s.leaf), max(last, s.leaf)
		}
	}
	return last > 0 && first >= 1<<(bits.Len32(last)-1)
}

// gone reports whether p removes s.
func (p *plan) gone(s *someone) bool {
	return slices.Contains(p.removes, s) ||
		slices.ContainsFunc(p.refs, func(o proposal) bool { return o.leaving == s })
}

func (w *world) planAdd(p *plan) error {
	s, offered, err := w.newcomer()
	p.adds, p.offers = append(p.adds, s), append(p.offers, offered)
	return err
}

// planResumption mixes in the secret of an epoch that all members were in.
func (w *world) planResumption(p *plan) {
	first := w.Epoch - min(w.Epoch, resumable)
	for _, s := range w.members {
		first = max(first, s.joined)
	}
	last := w.Epoch
	if p.by.byre != nil { // names epochs left behind alone
		last--
	}
	if len(p.adds) > 0 || w.Epoch == 0 || first > last || w.likely(0.4) {
		return
	}
	epoch := first + w.rand.Uint64N(last-first+1)
	p.request.PSKs = append(p.request.PSKs, pskID{GroupID: w.id, Epoch: epoch})
	w.count.add("commit of a resumption secret", p.by)
}

// commit lets by commit, sometimes in a race that another member loses.
func (w *world) commit(by *someone, proposals []proposal) error {
	p, err := w.plan(by, proposals)
	if err != nil {
		return err
	}
	w.note("%v commits: refs %d, adds %d, removes %v, psks %d, extensions %v, public %v, path %v, tree apart %v",
		by, len(p.refs), len(p.adds), p.request.Remove, len(p.request.PSKs), p.request.SetExtensions,
		p.request.Public, p.request.Path, p.request.TreeOutOfBand)
	made, err := w.ask(by, p.request)
	if err != nil {
		return err
	}
	lost, err := w.race(by)
	if err != nil {
		return err
	}
	if err := w.corrupt(by, made.Message); err != nil {
		return err
	}
	a, err := w.ask(by, request{Op: "confirm"})
	if err != nil {
		return err
	}
	if a.Epoch != w.Epoch+1 {
		return fmt.Errorf("%v: the commit leads to epoch %d", by, a.Epoch)
	}
	w.countCommit(p)
	if err := w.follow(p, made, a.state, lost); err != nil {
		return err
	}
	for _, s := range p.adds {
		if err := w.welcome(s, p, made.Welcome, a.state); err != nil {
			return err
		}
	}
	w.state = a.state
	return nil
}

func (w *world) countCommit(p *plan) {
	c := func(what string, n int) {
		if n > 0 {
			w.count.add("commit of "+what, p.by)
		}
	}
	w.count.add("commit", p.by)
	c("proposals by reference", len(p.refs))
	c("adds", len(p.offers))
	c("removes", len(p.removes))
	c("pre-shared keys", len(p.request.PSKs))
	c("nothing but an update", b2i(len(p.refs)+len(p.offers)+len(p.removes)+len(p.request.PSKs) == 0))
	if p.request.Public {
		w.count.add("commit in public", p.by)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// race lets another member commit too, and lose. It returns the lost commit.
func (w *world) race(by *someone) ([]byte, error) {
	others := w.present(by)
	if len(others) == 0 || !w.likely(0.15) {
		return nil, nil
	}
	a, err := w.ask(others[0], request{Op: "commit", Public: w.likely(0.5)})
	if err != nil {
		return nil, err
	}
	w.count.add("lose a race", others[0])
	_, err = w.ask(others[0], request{Op: "discard"})
	return a.Message, err
}

// corrupt lets somebody see the commit with one bit changed.
func (w *world) corrupt(by *someone, commit []byte) error {
	others := w.present(by)
	if len(others) == 0 || !w.likely(0.15) {
		return nil
	}
	bad := bytes.Clone(commit)
	from := 0
	if others[0].byre == nil { // in a tag or a ciphertext alone, for defect 6
		from = len(bad) - 32
	}
	bad[from+w.rand.IntN(len(bad)-from)] ^= 1 << w.rand.IntN(8)
	return w.refused(others[0], "a forged commit", bad)
}

// follow delivers a commit to all others.
func (w *world) follow(p *plan, made reply, next state, lost []byte) error {
	taken, err := leaves(next.Tree)
	if err != nil {
		return err
	}
	for _, s := range w.present(p.by) {
		a, err := w.ask(s, request{Op: "process", Message: made.Message})
		if s.byre == nil && p.gone(s) && slices.Contains(taken, s.leaf) {
			if err == nil || !isRemovalDefect(err) {
				return fmt.Errorf("%v is removed in a way that ts-mls %s is known to fail at: %w", s, tsVersion, err)
			}
			w.count.add("wrongly refuse its removal", s)
			continue
		}
		if err != nil {
			return fmt.Errorf("commit of %v: %w", p.by, err)
		}
		if a.Kind != "commit" || a.Removed != p.gone(s) {
			return fmt.Errorf("commit of %v: %v sees kind %q, removed %v", p.by, s, a.Kind, a.Removed)
		}
		if a.Removed {
			w.count.add("leave", s)
			continue
		}
		if err := w.agrees(s, a.state, next); err != nil {
			return err
		}
		if lost != nil {
			if err := w.refused(s, "a commit that lost", lost); err != nil {
				return err
			}
		}
		w.count.add("follow", s)
	}
	w.members = slices.DeleteFunc(w.members, p.gone)
	return nil
}

// welcome lets a newcomer in.
func (w *world) welcome(s *someone, p *plan, welcome []byte, next state) error {
	r := request{Op: "join", Message: welcome}
	if p.request.TreeOutOfBand {
		r.Tree = next.Tree
	}
	s.joined = next.Epoch
	defect, err := unmergedDefect(next.Tree)
	if err != nil {
		return err
	}
	a, err := w.ask(s, r)
	w.members = append(w.members, s)
	if s.byre == nil && defect {
		if err == nil || !isUnmergedDefect(err) {
			return fmt.Errorf("%v joins a tree that ts-mls %s is known to refuse: %w", s, tsVersion, err)
		}
		s.ghost = true
		s.leaf, err = leafOf(next.Tree, s.name)
		w.count.add("wrongly refuse to join", s)
		return err
	}
	if err != nil {
		return fmt.Errorf("welcome of %v: %w", p.by, err)
	}
	s.leaf = a.Self
	w.count.add("join", s)
	return w.agrees(s, a.state, next)
}
