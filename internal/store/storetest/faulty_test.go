package storetest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/store/storetest"
)

// TestFaulty plans each fault at the third of five commits, the second of which
// is lazy, and looks at what is left.
func TestFaulty(t *testing.T) {
	for _, c := range []struct {
		fault   storetest.Fault
		answers string // per commit: + or -
		left    string
	}{
		{0, "+++++", "[1 2 3 4 5]"},
		{storetest.FailBefore, "++-++", "[1 2 4 5]"},
		{storetest.FailAfter, "++-++", "[1 2 3 4 5]"},
		{storetest.CrashBefore, "++---", "[1]"},
		{storetest.CrashAfter, "++---", "[1 2 3]"},
	} {
		var disk memstore.Disk
		s, err := disk.Open()
		if err != nil {
			t.Fatal(err)
		}
		f := storetest.NewFaulty(s, func() { disk.Crash(0) })
		f.Plan(3, c.fault)
		answers := ""
		for n := range 5 {
			var b store.Batch
			b.Lazy = n == 1
			b.Set(fmt.Append(nil, n+1), nil)
			switch err := f.Commit(t.Context(), &b); {
			case err == nil:
				answers += "+"
			case errors.Is(err, storetest.ErrInjected):
				answers += "-"
			default:
				t.Error(err)
			}
		}
		crashed := c.fault >= storetest.CrashBefore
		if answers != c.answers || f.Commits() != 5 {
			t.Errorf("fault %d: %d commits were answered %s, want %s", c.fault, f.Commits(), answers, c.answers)
		}
		read := func(s store.Store) (left []string, err error) {
			err = s.View(t.Context(), func(r store.Reader) error {
				for kv, err := range r.Scan(nil, nil, 0) {
					if err != nil {
						return err
					}
					left = append(left, string(kv.Key))
				}
				return nil
			})
			return left, err
		}
		if _, err := read(f); (err != nil) != crashed {
			t.Errorf("fault %d: a view afterwards: %v", c.fault, err)
		}
		if err := f.Close(); (err != nil) != crashed {
			t.Errorf("fault %d: close: %v", c.fault, err)
		}
		if s, err = disk.Open(); err != nil {
			t.Fatal(err)
		}
		if left, err := read(s); err != nil || fmt.Sprint(left) != c.left {
			t.Errorf("fault %d left %v, %v; want %s", c.fault, left, err, c.left)
		}
	}
}
