package webcore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// TestAFewAtATime: who waits to be sent to bob keeps nobody from carol.
func TestAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ts turns
		ctx, cancel := context.WithCancel(t.Context())
		inside, left := 0, 0
		var leaves []func()
		for range 3 * atOnce {
			go func() {
				leave, err := ts.enter(ctx, "bob")
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					left++
					return
				}
				inside++
				leaves = append(leaves, leave)
			}()
		}
		synctest.Wait()
		if inside != atOnce {
			t.Fatalf("%d are in at once, want %d", inside, atOnce)
		}
		if _, err := ts.enter(ctx, "carol"); err != nil {
			t.Fatal(err)
		}
		leaves[0]()
		synctest.Wait()
		if inside != atOnce+1 {
			t.Errorf("one left, and %d came in instead of one", inside-atOnce)
		}
		cancel()
		synctest.Wait()
		if left != 3*atOnce-inside {
			t.Errorf("%d of %d who waited heard of the end", left, 3*atOnce-inside)
		}
	})
}
