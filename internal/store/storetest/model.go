package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/store"
)

// model is what a store should hold: a map, and what a crash may make of it.
type model struct {
	e   Engine
	s   store.Store
	now map[string]string
	// may holds the contents a crash may leave, oldest first: the last durable
	// one and one more for each lazy commit since.
	may []map[string]string
}

// testModel compares the engine with a map through random histories of commits,
// closings and crashes.
func testModel(t *testing.T, fresh func(TB) Engine) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{e: fresh(t), now: map[string]string{}}
		m.may = []map[string]string{m.now}
		m.s = open(t, m.e)
		t.Repeat(map[string]func(*rapid.T){
			"commit": m.commit,
			"lazily": m.commit, // more often than the rest
			"again":  m.commit,
			"scan":   m.scan,
			"reopen": m.reopen,
			"crash":  m.crash,
			"":       func(t *rapid.T) { m.same(t, m.now) },
		})
	})
}

var someKey = rapid.Custom(func(t *rapid.T) []byte {
	return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xff}), 1, 3).Draw(t, "key")
})

func (m *model) commit(t *rapid.T) {
	var b store.Batch
	b.Lazy = rapid.Bool().Draw(t, "lazy")
	holds, required := true, [][]byte{}
	for range rapid.IntRange(0, 2).Draw(t, "guards") {
		key := someKey.Draw(t, "key")
		val, ok := m.now[string(key)]
		want := []byte(val)
		switch {
		case rapid.IntRange(0, 3).Draw(t, "wrong") == 0:
			want = append(want, '!')
			holds = false
		case !ok:
			want = nil
		}
		b.Require(key, want)
		required = append(required, key)
	}
	next := maps.Clone(m.now)
	for range rapid.IntRange(0, 4).Draw(t, "writes") {
		key := someKey.Draw(t, "key")
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			b.Delete(key)
			delete(next, string(key))
		case 1:
			to := someKey.Draw(t, "to")
			in := func(k []byte) bool { return bytes.Compare(key, k) <= 0 && bytes.Compare(k, to) < 0 }
			if slices.ContainsFunc(required, in) {
				continue
			}
			b.DeleteRange(key, to)
			maps.DeleteFunc(next, func(k, _ string) bool { return in([]byte(k)) })
		default:
			val := rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "val")
			b.Set(key, val)
			next[string(key)] = string(val)
		}
	}
	err := m.s.Commit(t.Context(), &b)
	switch {
	case !holds && errors.Is(err, store.ErrConflict):
		m.may = m.may[len(m.may)-1:] // what broke the guard is durable
	case !holds || err != nil:
		t.Fatalf("commit: %v, and the guards hold: %v", err, holds)
	case b.Lazy:
		m.now = next
		m.may = append(m.may, next)
	default:
		m.now = next
		m.may = []map[string]string{next}
	}
}

func (m *model) scan(t *rapid.T) {
	from, to := someKey.Draw(t, "from"), someKey.Draw(t, "to")
	limit := rapid.IntRange(0, 5).Draw(t, "limit")
	want := []string{}
	for _, k := range slices.Sorted(maps.Keys(m.now)) {
		if k >= string(from) && k < string(to) && (limit == 0 || len(want) < limit) {
			want = append(want, k+"="+m.now[k])
		}
	}
	view(t, m.s, func(r store.Reader) {
		if got := scan(t, r, from, to, limit); !slices.Equal(got, want) {
			t.Fatalf("scan %q to %q, limit %d: %q, want %q", from, to, limit, got, want)
		}
		key := someKey.Draw(t, "key")
		want, ok := m.now[string(key)]
		if !ok {
			want = "absent"
		}
		if got := get(t, r, string(key)); got != want {
			t.Fatalf("get %q: %q, want %q", key, got, want)
		}
	})
}

func (m *model) reopen(t *rapid.T) {
	if err := m.s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	m.may = []map[string]string{m.now}
	m.s = open(t, m.e)
}

func (m *model) crash(t *rapid.T) {
	crash(t, m.e, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))) //nolint:gosec // tests repeat
	m.s = open(t, m.e)
	got := m.contents(t)
	for _, c := range m.may {
		if maps.Equal(got, c) {
			m.now, m.may = c, []map[string]string{c}
			return
		}
	}
	t.Fatalf("the crash left %q, want one of %q", got, m.may)
}

func (m *model) contents(t *rapid.T) map[string]string {
	all := map[string]string{}
	view(t, m.s, func(r store.Reader) {
		for kv, err := range r.Scan(nil, nil, 0) {
			if err != nil {
				t.Fatalf("scan: %v", err)
			}
			all[string(kv.Key)] = string(kv.Val)
		}
	})
	return all
}

func (m *model) same(t *rapid.T, want map[string]string) {
	if got := m.contents(t); !maps.Equal(got, want) {
		t.Fatalf("the store holds %s, want %s", fmt.Sprintf("%q", got), fmt.Sprintf("%q", want))
	}
}
