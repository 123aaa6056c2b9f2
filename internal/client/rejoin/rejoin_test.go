package rejoin

import (
	"errors"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

const suite = ciphersuite.X25519_AES128GCM_SHA256_Ed25519

var (
	noon = time.Unix(1_800_000_000, 0)
	room = ident.RoomID{1}
)

// bob is a device of his that asks.
type bob struct {
	t     *testing.T
	me    *account.Me
	chain devchain.Chain
}

func newBob(t *testing.T) bob {
	t.Helper()
	me, chain, err := account.New(false)
	if err != nil {
		t.Fatal(err)
	}
	return bob{t, me, chain}
}

func (b bob) made(o account.KeyPackageOptions) []byte {
	b.t.Helper()
	if o.Now.IsZero() {
		o.Now = noon
	}
	if o.Suite == 0 {
		o.Suite = suite
	}
	if o.Rejoins == nil {
		o.Rejoins = room[:]
	}
	k, err := b.me.KeyPackage(b.chain, o)
	if err != nil {
		b.t.Fatal(err)
	}
	return k.Public()
}

func (b bob) asks(o account.KeyPackageOptions) Request {
	b.t.Helper()
	r, err := Read(&wire.RejoinBox{Room: room[:], KeyPackage: b.made(o)}, noon)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b bob) standing() Standing {
	long := noon.Add(-48 * time.Hour)
	return Standing{
		Members: []account.Member{
			{Account: ident.AccountID{9}, Device: ident.DeviceID{9}, Leaf: 1},
			{Account: b.me.Account, Device: b.me.Device, Leaf: 3, Number: 1000},
		},
		Suite: suite, View: devchain.See(b.chain), Active: long, Gap: long, Joined: long,
	}
}

// removed is bob's account after another device of his took this one off it.
func removed(t *testing.T, b bob) devchain.View {
	t.Helper()
	pc, request, err := account.Join(b.chain, false)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := b.me.Extend(b.chain, request)
	if err == nil {
		chain, err = pc.Extend(chain, &wire.RemoveDevice{Device: b.me.Device[:]})
	}
	if err != nil {
		t.Fatal(err)
	}
	return devchain.See(chain)
}

func TestWhoMayHelp(t *testing.T) {
	b := newBob(t)
	fresh := account.KeyPackageOptions{}
	for what, c := range map[string]struct {
		o    account.KeyPackageOptions
		st   func(*Standing)
		at   time.Duration
		want error
	}{
		"all is in order":                 {fresh, func(*Standing) {}, 0, nil},
		"it waited for almost three days": {fresh, func(*Standing) {}, 72*time.Hour - time.Second, nil},
		"it waited for three days":        {fresh, func(*Standing) {}, 72 * time.Hour, ErrStale},
		"bob was removed from the room":   {fresh, func(s *Standing) { s.Members = s.Members[:1] }, 0, ErrAbsent},
		"another account's leaf has his name": {fresh, func(s *Standing) {
			s.Members[1].Account = ident.AccountID{9}
		}, 0, ErrAbsent},
		"he was brought back already":       {fresh, func(s *Standing) { s.Members[1].Number = uint64(noon.Unix()) }, 0, ErrAnswered},
		"he has a newer leaf":               {fresh, func(s *Standing) { s.Members[1].Number = 1 << 40 }, 0, ErrAnswered},
		"his leaf's number is ahead":        {account.KeyPackageOptions{After: 1 << 40}, func(s *Standing) { s.Members[1].Number = 1 << 40 }, 0, nil},
		"his account removed the device":    {fresh, func(s *Standing) { s.View = removed(t, b) }, 0, ErrUnlisted},
		"he spoke an hour ago":              {fresh, func(s *Standing) { s.Active = noon.Add(-time.Hour) }, 0, ErrActive},
		"he spoke a day ago":                {fresh, func(s *Standing) { s.Active = noon.Add(-24 * time.Hour) }, 0, nil},
		"the helper was away until today":   {fresh, func(s *Standing) { s.Gap = noon.Add(-23 * time.Hour) }, 0, ErrAway},
		"the helper has joined today":       {fresh, func(s *Standing) { s.Joined = noon.Add(-23 * time.Hour) }, 0, ErrAway},
		"the helper's clock was set back":   {fresh, func(s *Standing) { s.Joined = noon.Add(time.Hour) }, 0, ErrAway},
		"his key package has another suite": {account.KeyPackageOptions{Suite: ciphersuite.Default}, func(*Standing) {}, 0, ErrRequest},
		"his key package is too old":        {account.KeyPackageOptions{Now: noon.Add(-31 * 24 * time.Hour)}, func(*Standing) {}, 0, ErrStale},
		"the relay brings it again":         {account.KeyPackageOptions{Now: noon.Add(-5 * 24 * time.Hour)}, func(*Standing) {}, 0, ErrStale},
		"his clock is two days behind":      {account.KeyPackageOptions{Now: noon.Add(-48 * time.Hour)}, func(*Standing) {}, 72*time.Hour - time.Second, nil},
		"his clock is two days ahead":       {account.KeyPackageOptions{Now: noon.Add(48 * time.Hour)}, func(*Standing) {}, 0, nil},
		"his clock is a week ahead":         {account.KeyPackageOptions{Now: noon.Add(7 * 24 * time.Hour)}, func(*Standing) {}, 0, ErrRequest},
	} {
		st := b.standing()
		c.st(&st)
		leaf, k, err := b.asks(c.o).May(st, noon.Add(c.at))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
		if c.want == nil && (leaf != 3 || k == nil) {
			t.Errorf("%s: leaf %d, %v", what, leaf, k)
		}
	}
}

func TestARequestIsReadByItsBytes(t *testing.T) {
	b := newBob(t)
	good := b.made(account.KeyPackageOptions{})
	stranger, _, err := account.New(false)
	if err != nil {
		t.Fatal(err)
	}
	other, err := stranger.KeyPackage(b.chain, account.KeyPackageOptions{Suite: suite, Now: noon, Rejoins: room[:]})
	if err != nil {
		t.Fatal(err)
	}
	for what, box := range map[string]*wire.RejoinBox{
		"nothing":                        {},
		"no room":                        {KeyPackage: good},
		"garbage":                        {Room: room[:], KeyPackage: []byte("garbage")},
		"cut":                            {Room: room[:], KeyPackage: good[:len(good)-1]},
		"what was published as the last": {Room: room[:], KeyPackage: b.made(account.KeyPackageOptions{LastResort: true})},
		"what was published, for once":   {Room: room[:], KeyPackage: b.made(account.KeyPackageOptions{Rejoins: []byte{}})},
		"made for another room":          {Room: room[:], KeyPackage: b.made(account.KeyPackageOptions{Rejoins: make([]byte, ident.RoomSize)})},
		"what strangers get":             {Room: room[:], KeyPackage: b.made(account.KeyPackageOptions{Mute: true})},
		"under another's chain":          {Room: room[:], KeyPackage: other.Public()},
	} {
		if _, err := Read(box, noon); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if r, err := Read(&wire.RejoinBox{Room: room[:], KeyPackage: good}, noon); err != nil || r.By.Device != b.me.Device {
		t.Errorf("a good one: %v", err)
	}
}

// TestHelpersTakeTurns: each member has another turn, two seconds apart, and who
// is first differs from request to request.
func TestHelpersTakeTurns(t *testing.T) {
	b := newBob(t)
	members := b.standing().Members
	for i := range byte(8) {
		members = append(members, account.Member{Account: ident.AccountID{10}, Device: ident.DeviceID{10 + i}})
	}
	first := map[ident.DeviceID]bool{}
	for n := range uint64(8) {
		r := b.asks(account.KeyPackageOptions{After: uint64(noon.Unix()) + n})
		turns := map[time.Duration]bool{}
		for _, m := range members {
			if m.Device == b.me.Device {
				continue
			}
			at := r.Turn(m.Device, members).Sub(noon)
			turns[at] = true
			first[m.Device] = first[m.Device] || at == 0
		}
		for i := range 9 {
			if !turns[time.Duration(2*i)*time.Second] {
				t.Errorf("nobody's turn is after %d seconds: %v", 2*i, turns)
			}
		}
	}
	count := 0
	for _, yes := range first {
		if yes {
			count++
		}
	}
	if count < 2 {
		t.Error("it is always the same who answers first")
	}
}

func TestWhatFollowsALostPlace(t *testing.T) {
	two := []account.Member{{Account: ident.AccountID{1}, Device: ident.DeviceID{1}}, {Account: ident.AccountID{2}, Device: ident.DeviceID{2}}}
	three := append(two, account.Member{Account: ident.AccountID{2}, Device: ident.DeviceID{3}})
	asked := func(since, at time.Duration, sent bool) Asked { return Asked{noon.Add(-since), noon.Add(-at), sent} }
	for what, c := range map[string]struct {
		a       Asked
		members []account.Member
		waits   bool
		want    Next
	}{
		"two devices":                        {Asked{}, two, false, Anew},
		"three, at first":                    {Asked{}, three, false, Ask},
		"at first, with something to say":    {Asked{}, three, true, Ask},
		"it was not sent":                    {asked(time.Hour, time.Hour, false), three, false, Ask},
		"it was sent":                        {asked(time.Hour, time.Hour, true), three, false, Wait},
		"a moment ago, something to say":     {asked(19*time.Second, 19*time.Second, true), three, true, Wait},
		"some seconds ago, something to say": {asked(20*time.Second, 20*time.Second, true), three, true, Anew},
		"almost a day ago":                   {asked(23*time.Hour, 23*time.Hour, true), three, false, Wait},
		"a day ago":                          {asked(24*time.Hour, 24*time.Hour, true), three, false, Ask},
		"for six days":                       {asked(6*24*time.Hour, time.Hour, true), three, false, Wait},
		"for a week":                         {asked(7*24*time.Hour, time.Hour, true), three, false, Anew},
	} {
		if got := c.a.Next(c.members, c.waits, noon); got != c.want {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
}

// TestWhoTookThePlace: what a device is told of a leaf that came back into its room
// in the place of its own.
func TestWhoTookThePlace(t *testing.T) {
	for _, c := range []struct {
		made, held bool
		want       error
	}{{true, true, nil}, {true, false, ErrUnasked}, {false, false, ErrCopied}} {
		if got := Why(c.made, c.held); !errors.Is(got, c.want) || c.want == nil && got != nil {
			t.Errorf("made %v, held %v: %v", c.made, c.held, got)
		}
	}
}

func TestTheDeskKeepsWhatIsAsked(t *testing.T) {
	h, err := home.Create(t.Context(), memstore.New(), home.Options{
		Passphrase: func() (secret.Bytes, error) { return secret.New([]byte("p")), nil }, Cost: home.WeakCostForTests(),
	})
	if err != nil {
		t.Fatal(err)
	}
	me := ident.DeviceID{5}
	var d *Desk
	step := func(fn func(tx *home.Tx)) {
		t.Helper()
		tx := h.Begin()
		if fn(tx); tx.Commit(t.Context()) != nil {
			t.Fatal("the home fails")
		}
		if d, err = Load(t.Context(), h, me); err != nil {
			t.Fatal(err)
		}
	}
	step(func(*home.Tx) {})
	b := newBob(t)
	older, newer := b.asks(account.KeyPackageOptions{}), b.asks(account.KeyPackageOptions{After: 1 << 40})
	for _, r := range []Request{older, newer, older} {
		step(func(tx *home.Tx) { d.Put(tx, r) })
	}
	if got := d.Askers(); len(got) != 1 || got[0].By.Number != newer.By.Number || !got[0].At.Equal(noon) || got[0].Room != room {
		t.Errorf("of three requests of one device %v stand", got)
	}
	step(func(tx *home.Tx) { d.Drop(tx, room, older.By) })
	if len(d.Askers()) != 1 {
		t.Error("the newer one went with the one that was answered")
	}
	step(func(tx *home.Tx) { d.Drop(tx, room, newer.By) })
	if len(d.Askers()) != 0 {
		t.Error("what was dropped is there")
	}

	made := 0
	ask := func(at time.Duration) (box *wire.RejoinBox) {
		t.Helper()
		step(func(tx *home.Tx) {
			if box, err = d.Ask(tx, room, noon.Add(at), func() ([]byte, error) { made++; return []byte{byte(made)}, nil }); err != nil {
				t.Fatal(err)
			}
		})
		return box
	}
	if ask(0); ask(23 * time.Hour).KeyPackage[0] != 1 {
		t.Error("what was not sent is made anew")
	}
	if ask(24 * time.Hour).KeyPackage[0] != 2 {
		t.Error("what was not sent for a day is sent: nobody would answer it for long")
	}
	step(func(tx *home.Tx) { d.Sent(tx, room, noon.Add(25*time.Hour)) })
	if a := d.Asked(room); !a.Sent || !a.Since.Equal(noon) || !a.At.Equal(noon.Add(25*time.Hour)) {
		t.Errorf("it says that it asked %+v", a)
	}
	if ask(50 * time.Hour).KeyPackage[0] != 3 || !d.Asked(room).Since.Equal(noon) || len(d.Askers()) != 0 {
		t.Errorf("a day later: %+v", d.Asked(room))
	}
	step(func(tx *home.Tx) { d.Back(tx, room) })
	if a := d.Asked(room); a != (Asked{}) {
		t.Errorf("back in the room it says %+v", a)
	}
}
