package share

import (
	"context"
	"errors"
	"testing"
)

type door struct{ ended, shut bool }

func TestTheLastOneClosesTheDoor(t *testing.T) {
	var doors []*door
	fails := false
	o := New(func(context.Context) (*door, error) {
		if fails {
			return nil, errors.New("locked")
		}
		doors = append(doors, &door{})
		return doors[len(doors)-1], nil
	}, func(d *door) bool { return d.ended }, func(d *door) {
		if d.shut {
			t.Error("a door was shut twice")
		}
		d.shut = true
	})
	hold := func() (*door, func()) {
		d, letGo, err := o.Hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return d, letGo
	}
	a, alice := hold()
	b, bob := hold()
	if a != b || len(doors) != 1 {
		t.Fatal("two doors")
	}
	alice()
	if a.shut {
		t.Error("shut while bob was in it")
	}
	bob()
	if !a.shut {
		t.Error("nobody shut the door")
	}

	a, alice = hold()
	a.ended = true
	b, bob = hold()
	if a == b {
		t.Error("bob was shown a door that is gone")
	}
	alice()
	if b.shut {
		t.Error("alice shut bob's door")
	}
	o.Close()
	if !b.shut {
		t.Error("still open")
	}
	bob()
	o.Close()

	fails = true
	if _, _, err := o.Hold(t.Context()); err == nil {
		t.Error("a locked door opened")
	}
	fails = false
	if d, letGo := hold(); d.shut {
		t.Error("a door that was shut")
	} else {
		letGo()
	}
	o.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := o.Hold(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("waits for ever: %v", err)
	}
}
