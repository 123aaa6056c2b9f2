package groups

import (
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestWhichGroupIsLost: a group that can be sent in, or whose log is not read yet,
// is none that is lost; one from which the device was taken out is none either, and
// hides none.
func TestWhichGroupIsLost(t *testing.T) {
	var (
		lost   = wire.GroupRecord{Open: true, Over: true, SureAt: 5}
		older  = wire.GroupRecord{Open: true, Over: true, SureAt: 3}
		out    = wire.GroupRecord{Open: true, Over: true, Removed: true, SureAt: 9}
		left   = wire.GroupRecord{Open: true, Replaced: true, SureAt: 7}
		usable = wire.GroupRecord{Open: true, SureAt: 1}
		unsure = wire.GroupRecord{Open: true, Replaced: true, ReadLog: true, SureAt: 1}
	)
	for what, c := range map[string]struct {
		list []wire.GroupRecord
		want int64 // SureAt of the one that is lost, 0: none is
	}{
		"nothing":                      {nil, 0},
		"one":                          {[]wire.GroupRecord{lost}, 5},
		"the last of two":              {[]wire.GroupRecord{older, lost}, 5},
		"the last of two, the other":   {[]wire.GroupRecord{lost, older}, 5},
		"taken out":                    {[]wire.GroupRecord{out}, 0},
		"taken out beside it":          {[]wire.GroupRecord{out, lost}, 5},
		"taken out beside it, behind":  {[]wire.GroupRecord{lost, out}, 5},
		"another is left":              {[]wire.GroupRecord{left, lost}, 5},
		"another goes on":              {[]wire.GroupRecord{lost, usable}, 0},
		"another goes on, before":      {[]wire.GroupRecord{usable, lost}, 0},
		"another's log was not read":   {[]wire.GroupRecord{lost, unsure}, 0},
		"taken out, and one that goes": {[]wire.GroupRecord{out, usable}, 0},
	} {
		var list []*Group
		for _, rec := range c.list {
			list = append(list, &Group{Rec: rec})
		}
		g, is := Lost(list)
		switch {
		case is != (c.want != 0):
			t.Errorf("%s: lost %v", what, is)
		case is && g.Rec.SureAt != c.want:
			t.Errorf("%s: the one of %d", what, g.Rec.SureAt)
		case !is && g != nil:
			t.Errorf("%s: none is lost, and it is told which", what)
		}
	}
}

func TestTheOldestLeaf(t *testing.T) {
	me := &account.Me{Device: ident.DeviceID{1}}
	of := func(over bool, number uint64) *Group {
		return &Group{me: me, Rec: wire.GroupRecord{Over: over}, Members: []account.Member{
			{Device: ident.DeviceID{2}, Number: 1}, {Device: me.Device, Number: number},
		}}
	}
	if n := Oldest(slices.Values([]*Group{of(false, 7), of(true, 2), of(false, 5)})); n != 5 {
		t.Errorf("it is of number %d", n)
	}
	if n := Oldest(slices.Values([]*Group{of(true, 2)})); n != 1<<64-1 {
		t.Errorf("without any it is of number %d", n)
	}
}
