package interop

import (
	"bytes"
	"fmt"
	"slices"
)

// enter lets somebody in by an external commit (RFC 9420 12.4.3.2): somebody
// new, or a member that starts again and replaces its leaf. It reports whether
// somebody came in.
func (w *world) enter() (bool, error) {
	host := w.present()[0]
	s, old, err := w.entering(host)
	if err != nil {
		return false, err
	}
	info := request{Op: "groupinfo", TreeOutOfBand: w.likely(0.5)}
	told, err := w.ask(host, info)
	if err != nil {
		return false, err
	}
	r := offer("external")
	r.Message, r.Resync = told.Message, old != nil
	if info.TreeOutOfBand {
		r.Tree = w.Tree
	}
	w.note("%v enters, told by %v, again %v, tree apart %v", s, host, r.Resync, info.TreeOutOfBand)
	defect, err := unmergedDefect(w.Tree)
	if err != nil {
		return false, err
	}
	made, err := w.ask(s, r)
	if s.byre == nil && defect {
		if err == nil || !isUnmergedDefect(err) {
			return false, fmt.Errorf("%v enters a tree that ts-mls %s is known to refuse: %w", s, tsVersion, err)
		}
		w.count.add("wrongly refuse to enter", s)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, w.entered(s, old, made.Message)
}

// entering picks who enters. A member that starts again is somebody new to the
// others, with the same keys.
func (w *world) entering(host *someone) (s, old *someone, err error) {
	others := w.present(host)
	if len(others) > 0 && (len(w.members) >= w.most || w.likely(0.5)) {
		old = others[0]
		s = &someone{name: old.name, member: old.member, byre: old.byre}
		return s, old, nil
	}
	s, err = w.somebody()
	return s, nil, err
}

func (w *world) entered(s, old *someone, commit []byte) error {
	if err := w.corrupt(old, commit); err != nil {
		return err
	}
	a, err := w.ask(s, request{Op: "confirm"})
	if err != nil {
		return err
	}
	s.leaf, s.joined = a.Self, a.Epoch
	w.members = slices.DeleteFunc(w.members, func(m *someone) bool { return m == old })
	for _, m := range w.present() {
		seen, err := w.ask(m, request{Op: "process", Message: commit})
		if err != nil {
			return fmt.Errorf("external commit of %v: %w", s, err)
		}
		if err := w.agrees(m, seen.state, a.state); err != nil {
			return err
		}
		w.count.add("follow somebody who enters", m)
	}
	w.members, w.state = append(w.members, s), a.state
	w.count.add("enter", s)
	if old != nil {
		w.count.add("enter again", s)
	}
	return nil
}

// knock lets somebody from outside propose to be added (RFC 9420 12.1.8).
func (w *world) knock() (proposal, error) {
	host := w.present()[0]
	s, _, err := w.newcomer()
	if err != nil {
		return proposal{}, err
	}
	told, err := w.ask(host, request{Op: "groupinfo"})
	if err != nil {
		return proposal{}, err
	}
	a, err := w.ask(s, request{Op: "knock", Message: told.Message, Epoch: w.Epoch})
	if err != nil {
		return proposal{}, err
	}
	p := proposal{kind: "add", newcomer: s}
	for _, m := range w.present() {
		seen, err := w.ask(m, request{Op: "process", Message: a.Message})
		if err != nil {
			return p, fmt.Errorf("proposal of %v, from outside: %w", s, err)
		}
		if p.ref == nil {
			p.ref = seen.Ref
		}
		if seen.Kind != "proposal" || !bytes.Equal(p.ref, seen.Ref) {
			return p, fmt.Errorf("%v calls the proposal of %v %x, not %x", m, s, seen.Ref, p.ref)
		}
	}
	w.note("%v proposes itself", s)
	w.count.add("propose itself", s)
	return p, nil
}
