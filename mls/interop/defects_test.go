package interop

import (
	"slices"
	"strings"
	"testing"
)

// What ts-mls 1.6.4 does differently from RFC 9420, as far as groups meet it.
// Each is checked to be just so: when a later version does better, a test fails
// and this file shrinks.
//
//  1. 12.4.3.1: "every non-blank intermediate node between the leaf node and the
//     parent node" must list an unmerged leaf. ts-mls wants that of all ancestors of
//     the leaf, above the parent node too, and wants their whole lists equal. It
//     refuses to join trees that have a parent with unmerged leaves under an ancestor
//     that was renewed later. Such a newcomer is a ghost until the next commit.
//  2. 12.4.2: a member learns that it was removed from the proposals. ts-mls looks
//     whether its leaf is blank afterwards, and fails on a commit that also adds
//     somebody, who takes the leaf.
//  3. 12.4: a commit of GroupContextExtensions must have a path. ts-mls makes it
//     without, and takes it without.
//  4. 12.1.7: new extensions replace all. With ts-mls an empty list changes nothing.
//  5. 12.1.2: a member may propose an update of its leaf. ts-mls has no place for
//     its private key until the commit; the peer keeps it and puts it in.
//  6. 2.1.1: a presence octet is 0 or 1. ts-mls takes all but 1 for 0, so that a
//     message has more than one form. What is signed is what it read.
//
// Of its package: 1.6.4 imports @noble/hashes and does not list it; the peer does.

const tsVersion = "1.6.4"

// isUnmergedDefect reports whether err is that of defect 1.
func isUnmergedDefect(err error) bool {
	return strings.Contains(err.Error(), "non-blank intermediate node must list leaf node in its unmerged_leaves")
}

// isRemovalDefect reports whether err is that of defect 2.
func isRemovalDefect(err error) bool {
	return strings.Contains(err.Error(), "No overlap between provided private keys and update path")
}

// unmergedDefect reports whether ts-mls refuses a tree for defect 1.
func unmergedDefect(encoded []byte) (bool, error) {
	nodes, err := parseTree(encoded)
	if err != nil {
		return false, err
	}
	for _, n := range nodes {
		for _, leaf := range n.unmerged {
			for _, above := range ancestors(2*int(leaf), len(nodes)) {
				if a := nodes[above]; a.parent && !slices.Equal(a.unmerged, n.unmerged) {
					return true, nil
				}
			}
		}
	}
	return false, nil
}

// village is a group of byre and ts-mls members, for stories.
type village struct {
	*testing.T
	*peer
	id []byte
	state
}

func (v *village) ask(m member, r request) reply {
	v.Helper()
	a, err := v.try(m, r)
	if err != nil {
		v.Fatal(err)
	}
	return a
}

func (v *village) try(m member, r request) (reply, error) {
	r.GroupID = v.id
	return m.do(r)
}

// refuses asks m for something that it must refuse, saying why.
func (v *village) refuses(m member, r request, why string) {
	v.Helper()
	_, err := v.try(m, r)
	if err == nil || !strings.Contains(err.Error(), why) {
		v.Fatalf("%s: got %v, want an error that says %q", r.Op, err, why)
	}
}

// commits lets by commit, and the others follow; those it adds are to join.
func (v *village) commits(by member, r request, others ...member) reply {
	v.Helper()
	r.Op = "commit"
	made := v.ask(by, r)
	v.state = v.ask(by, request{Op: "confirm"}).state
	for _, m := range others {
		v.agrees(v.ask(m, request{Op: "process", Message: made.Message}))
	}
	return made
}

func (v *village) agrees(a reply) {
	v.Helper()
	if len(a.Authenticator) == 0 || string(a.Authenticator) != string(v.Authenticator) {
		v.Fatalf("epoch authenticator %x, want %x", a.Authenticator, v.Authenticator)
	}
}

func (v *village) offer(m member) []byte {
	v.Helper()
	return v.ask(m, offer("keypackage")).Message
}

// newVillage is a group of alice, who is byre, and bob and carol, who are ts-mls.
func newVillage(t *testing.T) (v *village, alice *byre, bob, carol ts) {
	t.Helper()
	v = &village{T: t, peer: startPeer(t), id: []byte("village")}
	alice, err := newByre("alice")
	if err != nil {
		t.Fatal(err)
	}
	bob, carol = ts{v.peer, "bob"}, ts{v.peer, "carol"}
	v.ask(alice, offer("create"))
	made := v.commits(alice, request{KeyPackages: [][]byte{v.offer(bob), v.offer(carol)}})
	v.agrees(v.ask(bob, request{Op: "join", Message: made.Welcome}))
	v.agrees(v.ask(carol, request{Op: "join", Message: made.Welcome}))
	return v, alice, bob, carol
}

// Defect 3. Bob replaces the group's extensions without a path; alice refuses
// it. Hers has a path and suits all.
func TestExtensionsNeedAPath(t *testing.T) {
	v, alice, bob, carol := newVillage(t)
	set := request{Op: "commit", SetExtensions: true, Extensions: []extension{{Type: private, Data: []byte("bob's")}}}
	made := v.ask(bob, set)
	v.refuses(alice, request{Op: "process", Message: made.Message}, "commit without a path")
	v.ask(bob, request{Op: "discard"})
	v.commits(alice, set, bob, carol)
}

// Defect 4. Alice takes all extensions away; bob keeps them and falls out.
func TestExtensionsTakenAway(t *testing.T) {
	v, alice, bob, carol := newVillage(t)
	v.commits(alice, request{SetExtensions: true, Extensions: []extension{{Type: private, Data: []byte("here")}}}, bob, carol)
	made := v.ask(alice, request{Op: "commit", SetExtensions: true})
	v.refuses(bob, request{Op: "process", Message: made.Message}, "OpenError")
}

// Defect 6. Mallory changes the presence octet of a path that is not there:
// bob's commit is refused by alice, alice's is taken by carol.
func TestPresenceOctet(t *testing.T) {
	v, alice, bob, carol := newVillage(t)
	add := func(name string) request {
		return request{Op: "commit", Public: true, KeyPackages: [][]byte{v.offer(ts{v.peer, name})}}
	}
	made := v.ask(bob, add("dave"))
	v.ask(bob, request{Op: "discard"})
	v.refuses(alice, request{Op: "process", Message: otherForm(t, made.Message)}, "presence byte")

	made = v.commits(alice, add("erin"), bob)
	v.agrees(v.ask(carol, request{Op: "process", Message: otherForm(t, made.Message)}))
}

// otherForm changes the presence octet of the path in a PublicMessage. What
// follows is signature<V>, confirmation_tag<V> and membership_tag<V>.
func otherForm(t *testing.T, commit []byte) []byte {
	t.Helper()
	octet := len(commit) - (2 + 64) - 2*(1+32) - 1
	if commit[octet] != 0 {
		t.Fatalf("presence octet is %d", commit[octet])
	}
	commit = slices.Clone(commit)
	commit[octet] = 2
	return commit
}

// Alice removes carol and adds her again in one commit (RFC 9420 12.2): bob
// follows and carol is back in her old place, with the same signature key.
func TestRemovedAndAddedAgain(t *testing.T) {
	v, alice, bob, carol := newVillage(t)
	made := v.commits(alice, request{Remove: []uint32{2}, KeyPackages: [][]byte{v.offer(carol)}}, bob)
	v.agrees(v.ask(carol, request{Op: "join", Message: made.Welcome}))
}

// A newcomer that lacks what the group requires is added by nobody.
func TestRequiredCapabilities(t *testing.T) {
	v, alice, bob, carol := newVillage(t)
	v.commits(alice, request{SetExtensions: true, Extensions: []extension{requiredCapabilities()}}, bob, carol)
	dave, err := newByre("dave")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []member{dave, ts{v.peer, "erin"}} {
		r := offer("keypackage")
		r.Supports = nil
		add := request{Op: "commit", KeyPackages: [][]byte{v.ask(m, r).Message}}
		v.refuses(alice, add, "capabilit")
		v.refuses(bob, add, "does not support required capabilities")
	}
}

// SelfRemove is of a draft that ts-mls does not know: alice does not propose it
// to bob.
func TestSelfRemoveStaysAtHome(t *testing.T) {
	_, alice, _, _ := newVillage(t)
	if _, _, err := alice.group.ProposeLeave(); err == nil || !strings.Contains(err.Error(), "not supported by all") {
		t.Fatalf("got %v", err)
	}
}
