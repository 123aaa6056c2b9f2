package interop

import (
	"slices"
	"strings"
	"testing"
)

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

// Defect 7. Only carol and dave are left, in the right half of the tree: what
// either commits the other refuses.
func TestPathEndsBelowTheRoot(t *testing.T) {
	v, alice, bob, carol := newVillage(t)
	dave, err := newByre("dave")
	if err != nil {
		t.Fatal(err)
	}
	made := v.commits(alice, request{KeyPackages: [][]byte{v.offer(dave)}}, bob, carol)
	v.agrees(v.ask(dave, request{Op: "join", Message: made.Welcome}))
	alone := request{Op: "commit", Remove: []uint32{0, 1}}
	for _, m := range [][2]member{{carol, dave}, {dave, carol}} {
		made = v.ask(m[0], alone)
		v.refuses(m[1], request{Op: "process", Message: made.Message}, "confirmation tag")
		v.ask(m[0], request{Op: "discard"})
	}
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

// Each in turn founds another group with the other two (RFC 9420 11.3). Bob's
// Welcome has no tree in it. Who does not ask for a branch does not get into one.
func TestBranch(t *testing.T) {
	v, alice, bob, carol := newVillage(t)
	for i, m := range []member{alice, bob} {
		others := slices.Delete([]member{alice, bob, carol}, i, i+1)
		r := offer("branch")
		r.Branch = []byte{byte(i)}
		for _, o := range others {
			r.KeyPackages = append(r.KeyPackages, v.offer(o))
		}
		made := v.ask(m, r)
		v.state = made.state
		for _, o := range others {
			v.refuses(o, request{Op: "join", Message: made.Welcome, Tree: made.Tree}, "")
			v.agrees(v.ask(o, request{Op: "joinbranch", Message: made.Welcome, Tree: made.Tree}))
		}
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
