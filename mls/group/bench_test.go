package group

import (
	"fmt"
	"testing"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/schedule"
)

// crowd is a group of n: alice, who adds all others in one commit (a cold tree:
// no parents), and bob, one of them.
func crowd(b *testing.B, id ciphersuite.ID, n int) (alice, bob *person) {
	b.Helper()
	w := newWorld(b, id)
	alice, bob = w.person("alice").creates(), w.person("bob")
	k := bob.offers()
	o := CommitOptions{Add: []*KeyPackage{claimed(b, k)}}
	for i := range n - 2 {
		o.Add = append(o.Add, claimed(b, w.person(fmt.Sprint("member ", i)).offers()))
	}
	bob.joins(alice.commits(o).Welcome(), k)
	return alice, bob
}

func eachSize(b *testing.B, sizes []int, f func(b *testing.B, alice, bob *person)) {
	b.Helper()
	for _, id := range bothSuites {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("suite=%04x/n=%d", uint16(id), n), func(b *testing.B) {
				alice, bob := crowd(b, id, n)
				f(b, alice, bob)
			})
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	text := make([]byte, 200)
	eachSize(b, []int{2, 100, 1000, 5000}, func(b *testing.B, alice, _ *person) {
		b.ReportAllocs()
		for b.Loop() {
			must2(alice.secrets.Tree.Reserve(schedule.Application, 1))(b)
			must2(alice.Seal(text, nil, 0))(b)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	text := make([]byte, 200)
	eachSize(b, []int{2, 100, 1000, 5000}, func(b *testing.B, alice, bob *person) {
		b.ReportAllocs()
		bob.reads(alice.says("heard already"))
		for b.Loop() {
			b.StopTimer()
			must2(alice.secrets.Tree.Reserve(schedule.Application, 1))(b)
			msg := must2(alice.Seal(text, nil, 0))(b)
			b.StartTimer()
			must2(bob.Open(msg))(b)
		}
		b.ReportMetric(float64(len(bob.RatchetState().Reveal())), "state-bytes")
	})
}

func BenchmarkUpdateCommitCold(b *testing.B) {
	for _, step := range []string{"create", "process"} {
		b.Run(step, func(b *testing.B) {
			eachSize(b, []int{2, 100, 1000}, func(b *testing.B, alice, bob *person) {
				p := must2(alice.Commit(CommitOptions{}))(b)
				for b.Loop() {
					if step == "create" {
						must2(alice.Commit(CommitOptions{}))(b).Discard()
					} else {
						must2(bob.Stage(p.Commit(), StageOptions{}))(b).Drop()
					}
				}
				b.ReportMetric(float64(len(p.Commit())), "wire-bytes")
			})
		})
	}
}

func BenchmarkAddCommit(b *testing.B) {
	for _, step := range []string{"create", "process"} {
		b.Run(step, func(b *testing.B) {
			eachSize(b, []int{2, 100, 1000}, func(b *testing.B, alice, bob *person) {
				o := CommitOptions{Add: []*KeyPackage{claimed(b, alice.person("zoe").offers())}}
				p := must2(alice.Commit(o))(b)
				for b.Loop() {
					if step == "create" {
						must2(alice.Commit(o))(b)
					} else {
						must2(bob.Stage(p.Commit(), StageOptions{}))(b).Drop()
					}
				}
				b.ReportMetric(float64(len(p.Commit())), "wire-bytes")
				b.ReportMetric(float64(len(p.Welcome())), "welcome-bytes")
			})
		})
	}
}

func BenchmarkRemoveCommit(b *testing.B) {
	eachSize(b, []int{100, 1000}, func(b *testing.B, alice, _ *person) {
		var size int
		for b.Loop() {
			size = len(must2(alice.Commit(CommitOptions{Remove: []LeafIndex{5}}))(b).Commit())
		}
		b.ReportMetric(float64(size), "wire-bytes")
	})
}

func BenchmarkJoin(b *testing.B) {
	eachSize(b, []int{2, 100, 1000}, func(b *testing.B, alice, _ *person) {
		zoe := alice.person("zoe")
		k := zoe.offers()
		welcome := must2(alice.Commit(CommitOptions{Add: []*KeyPackage{claimed(b, k)}}))(b).Welcome()
		state := k.State()
		for b.Loop() {
			zoe.joins(welcome, must2(RestoreKeyPackage(state))(b))
		}
	})
}

func BenchmarkRestore(b *testing.B) {
	eachSize(b, []int{2, 100, 1000}, func(b *testing.B, alice, _ *person) {
		epoch, ratchet := alice.EpochState(), alice.RatchetState()
		for b.Loop() {
			alice.crashes(epoch, ratchet)
		}
		b.ReportMetric(float64(epoch.Len()), "epoch-bytes")
		b.ReportMetric(float64(ratchet.Len()), "ratchet-bytes")
	})
}
