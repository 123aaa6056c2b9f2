package group

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

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

// scene is one suite and one group size.
type scene struct {
	id ciphersuite.ID
	n  int
}

func (s scene) String() string { return fmt.Sprintf("suite=%04x/n=%d", uint16(s.id), s.n) }

func scenes(sizes ...int) (all []scene) {
	for _, id := range bothSuites {
		for _, n := range sizes {
			all = append(all, scene{id, n})
		}
	}
	return all
}

// long adds the largest group where BYRE_LONG asks for it: to build one takes a
// while.
func long(sizes ...int) []int {
	if os.Getenv("BYRE_LONG") != "" {
		sizes = append(sizes, 5000)
	}
	return sizes
}

func BenchmarkSeal(b *testing.B) {
	text := make([]byte, 200)
	for _, s := range scenes(long(2, 100, 1000)...) {
		b.Run(s.String(), func(b *testing.B) {
			alice, _ := crowd(b, s.id, s.n)
			b.ReportAllocs()
			for b.Loop() {
				must2(alice.secrets.Tree.Reserve(schedule.Application, 1))(b)
				must2(alice.Seal(text, nil, 0))(b)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	text := make([]byte, 200)
	for _, s := range scenes(long(2, 100, 1000)...) {
		b.Run(s.String(), func(b *testing.B) {
			alice, bob := crowd(b, s.id, s.n)
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
}

// BenchmarkOpenInACrowd opens a message of a sender heard before in a group of
// two and in a large one by turns, so that both see the same machine, and reports
// the medians and their ratio x/two.
func BenchmarkOpenInACrowd(b *testing.B) {
	text := make([]byte, 200)
	for _, s := range scenes(long(1000)...) {
		b.Run(s.String(), func(b *testing.B) {
			var took [2][]time.Duration
			var from, to [2]*person
			for k, n := range []int{2, s.n} {
				from[k], to[k] = crowd(b, s.id, n)
				to[k].reads(from[k].says("heard already"))
			}
			for b.Loop() {
				for k := range took {
					must2(from[k].secrets.Tree.Reserve(schedule.Application, 1))(b)
					msg := must2(from[k].Seal(text, nil, 0))(b)
					t := time.Now()
					must2(to[k].Open(msg))(b)
					took[k] = append(took[k], time.Since(t))
				}
			}
			var median [2]float64
			for k, list := range took {
				slices.Sort(list)
				median[k] = float64(list[len(list)/2])
			}
			b.ReportMetric(median[0], "ns/two")
			b.ReportMetric(median[1], "ns/crowd")
			b.ReportMetric(median[1]/median[0], "x/two")
			b.ReportMetric(0, "ns/op") // of both together: says nothing
		})
	}
}

func BenchmarkUpdateCommitCold(b *testing.B) {
	for _, step := range []string{"create", "process"} {
		b.Run(step, func(b *testing.B) {
			for _, s := range scenes(long(2, 100, 1000)...) {
				b.Run(s.String(), func(b *testing.B) {
					alice, bob := crowd(b, s.id, s.n)
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
			}
		})
	}
}

func BenchmarkAddCommit(b *testing.B) {
	for _, step := range []string{"create", "process"} {
		b.Run(step, func(b *testing.B) {
			for _, s := range scenes(long(2, 100, 1000)...) {
				b.Run(s.String(), func(b *testing.B) {
					alice, bob := crowd(b, s.id, s.n)
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
			}
		})
	}
}

func BenchmarkRemoveCommit(b *testing.B) {
	for _, s := range scenes(long(100, 1000)...) {
		b.Run(s.String(), func(b *testing.B) {
			alice, _ := crowd(b, s.id, s.n)
			var size int
			for b.Loop() {
				size = len(must2(alice.Commit(CommitOptions{Remove: []LeafIndex{5}}))(b).Commit())
			}
			b.ReportMetric(float64(size), "wire-bytes")
		})
	}
}

func BenchmarkJoin(b *testing.B) {
	for _, s := range scenes(long(2, 100, 1000)...) {
		b.Run(s.String(), func(b *testing.B) {
			alice, _ := crowd(b, s.id, s.n)
			zoe := alice.person("zoe")
			k := zoe.offers()
			welcome := must2(alice.Commit(CommitOptions{Add: []*KeyPackage{claimed(b, k)}}))(b).Welcome()
			state := k.State()
			for b.Loop() {
				zoe.joins(welcome, must2(RestoreKeyPackage(state))(b))
			}
		})
	}
}

func BenchmarkRestore(b *testing.B) {
	for _, s := range scenes(long(2, 100, 1000)...) {
		b.Run(s.String(), func(b *testing.B) {
			alice, _ := crowd(b, s.id, s.n)
			epoch, ratchet := alice.EpochState(), alice.RatchetState()
			for b.Loop() {
				alice.crashes(epoch, ratchet)
			}
			b.ReportMetric(float64(epoch.Len()), "epoch-bytes")
			b.ReportMetric(float64(ratchet.Len()), "ratchet-bytes")
		})
	}
}
