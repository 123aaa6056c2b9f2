package meeting_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/relay/meeting"
)

// model is what places are, without regard to what it costs.
type model struct {
	now    time.Duration
	places []*modelPlace // in the order in which they were opened
	spent  map[string]time.Duration
	asOf   map[string]time.Duration
	told   map[*line][]string
}

type modelPlace struct {
	name    string
	account string
	device  string
	opened  time.Duration
	owner   *line
	guests  []*line
	slots   [7]string
	taken   bool
}

// guest is what a connection without sign-in has used up.
type guest struct{ met, posts int }

func (m *model) at(name string) *modelPlace {
	for _, p := range m.places {
		if p.name == name {
			return p
		}
	}
	return nil
}

func (m *model) tell(l *line, what string) {
	if l != nil {
		m.told[l] = append(m.told[l], what)
	}
}

func (m *model) end(p *modelPlace) {
	m.places = slices.DeleteFunc(m.places, func(o *modelPlace) bool { return o == p })
	for _, l := range p.guests {
		m.tell(l, p.name+" closed")
	}
}

// runOut ends what is six minutes old.
func (m *model) runOut() {
	for _, p := range slices.Clone(m.places) {
		if m.now-p.opened >= meeting.Lifetime {
			m.end(p)
		}
	}
}

// bucket takes from ten that come back one a minute. It counts in time.
func (m *model) bucket(account string) bool {
	m.spent[account] = max(0, m.spent[account]-(m.now-m.asOf[account]))
	m.asOf[account] = m.now
	if m.spent[account]+time.Minute > 10*time.Minute {
		return false
	}
	m.spent[account] += time.Minute
	return true
}

func (m *model) open(l *line, account, device, name string) string {
	p := m.at(name)
	if p == nil {
		var old *modelPlace
		others := 0
		for _, o := range m.places {
			switch {
			case o.account == account && o.device == device:
				old = o
			case o.account == account:
				others++
			}
		}
		if others >= 3 || !m.bucket(account) {
			return "limited"
		}
		if old != nil {
			m.end(old)
		}
		p = &modelPlace{name: name, account: account, device: device, opened: m.now}
		m.places = append(m.places, p)
	}
	if p.account != account || p.device != device {
		m.contest(p)
		return "link taken"
	}
	p.owner = l
	for _, s := range []int{1, 3, 4, 6} {
		if p.slots[s] != "" {
			m.tell(l, fmt.Sprint(name, " ", s, " ", p.slots[s]))
		}
	}
	if p.taken {
		m.tell(l, name+" taken")
	}
	return "done"
}

func (m *model) contest(p *modelPlace) {
	if !p.taken {
		m.tell(p.owner, p.name+" taken")
	}
	p.taken = true
}

func (m *model) meet(l *line, g *guest, name string) string {
	p := m.at(name)
	if p == nil {
		return "link unknown"
	}
	if !slices.Contains(p.guests, l) {
		if g.met == 4 {
			return "limited"
		}
		g.met++
		p.guests = append(p.guests, l)
	}
	for _, s := range []int{2, 5} {
		if p.slots[s] != "" {
			m.tell(l, fmt.Sprint(name, " ", s, " ", p.slots[s]))
		}
	}
	return "done"
}

// post is by the owner where device is not empty.
func (m *model) post(l *line, g *guest, account, device, name string, slot int, said string) string {
	if (slot == 2 || slot == 5) != (device != "") {
		return "malformed"
	}
	p := m.at(name)
	if device == "" && g.met > 0 {
		if g.posts++; g.posts > 16 {
			return "limited"
		}
	}
	switch {
	case p == nil, device != "" && (p.account != account || p.device != device), device == "" && !slices.Contains(p.guests, l):
		return "link unknown"
	case p.slots[slot] == said:
		return "done"
	case p.slots[slot] != "":
		if device == "" {
			m.contest(p)
		}
		return "link taken"
	}
	p.slots[slot] = said
	if device == "" {
		m.tell(p.owner, fmt.Sprint(name, " ", slot, " ", said))
	} else {
		for _, o := range p.guests {
			m.tell(o, fmt.Sprint(name, " ", slot, " ", said))
		}
	}
	return "done"
}

func (m *model) leave(l *line) {
	for _, p := range m.places {
		if p.owner == l {
			p.owner = nil
		}
		p.guests = slices.DeleteFunc(p.guests, func(o *line) bool { return o == l })
	}
}

// actor is a device with its connection.
type actor struct {
	account, device string // empty: without sign-in
	line            *line
	used            guest
}

// TestPlacesAreWhatTheModelSays drives places and model with whatever devices of
// three accounts and four strangers do, and compares every answer and all that
// everybody is told.
func TestPlacesAreWhatTheModelSays(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		h := newHall(t)
		m := &model{now: h.ran, spent: map[string]time.Duration{}, asOf: map[string]time.Duration{}, told: map[*line][]string{}}
		var devices, strangers []*actor
		for i, account := range []string{"alice", "alice", "alice", "alice", "alice", "bob", "carol"} {
			a := &actor{account: account, device: fmt.Sprint(i)}
			a.line = h.connects(a.account, a.device)
			devices = append(devices, a)
		}
		for range 4 {
			strangers = append(strangers, &actor{line: h.stranger()})
		}
		names := []string{"barn", "shed", "byre", "loft", "yard"}
		device := rapid.SampledFrom(devices)
		stranger := rapid.SampledFrom(strangers)
		name := rapid.SampledFrom(names)
		slots := map[string]*rapid.Generator[int]{
			"post": rapid.SampledFrom([]int{1, 1, 1, 3, 4, 6, 2}), "hers": rapid.SampledFrom([]int{2, 2, 2, 5, 5, 1}),
		}
		said := rapid.SampledFrom([]string{"a", "b"})
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			var got, want string
			what := rapid.SampledFrom([]string{"open", "open", "meet", "meet", "meet", "post", "post", "post", "post", "post", "hers", "hers", "hers", "close", "leave", "time", "tick", "sign in"}).Draw(t, "what")
			if what != "leave" && what != "sign in" && what != "time" {
				m.runOut()
			}
			switch what {
			case "open":
				a, n := device.Draw(t, "device"), name.Draw(t, "place")
				got, want = a.line.says(open(n)), m.open(a.line, a.account, a.device, n)
			case "meet":
				a, n := stranger.Draw(t, "stranger"), name.Draw(t, "place")
				got, want = a.line.says(meet(n)), m.meet(a.line, &a.used, n)
			case "post", "hers":
				from := stranger
				if what == "hers" {
					from = device
				}
				a, n := from.Draw(t, "who"), name.Draw(t, "place")
				if p := m.at(n); p != nil && what == "hers" && rapid.Bool().Draw(t, "own") {
					a = devices[slices.IndexFunc(devices, func(o *actor) bool { return o.device == p.device })]
				}
				s, b := slots[what].Draw(t, "slot"), said.Draw(t, "said")
				got, want = a.line.says(post(n, s, b)), m.post(a.line, &a.used, a.account, a.device, n, s, b)
			case "close":
				a, n := device.Draw(t, "device"), name.Draw(t, "place")
				if p := m.at(n); p != nil && p.account == a.account && p.device == a.device {
					m.end(p)
				}
				got, want = a.line.says(shut(n)), "done"
			case "leave", "sign in": // and comes anew
				a := rapid.SampledFrom(slices.Concat(devices, strangers)).Draw(t, "who")
				compare(t, a.line, m)
				m.leave(a.line)
				if what == "leave" {
					a.line.ends()
				} else {
					h.places.Leave(a.line) // and the connection goes on as another's
				}
				a.line, a.used = h.connects(a.account, a.device), guest{}
			case "time": // never to the very moment: others look at that
				d := time.Duration(rapid.IntRange(1, 20).Draw(t, "time")) * 7001 * time.Millisecond
				h.ran += d
				m.now += d
			case "tick":
				h.places.Tick(h.ran)
			}
			if got != want {
				t.Fatalf("%s is answered %q, want %q", what, got, want)
			}
			seen[what+": "+got]++
			for _, a := range slices.Concat(devices, strangers) {
				compare(t, a.line, m)
			}
		}
	})
	for _, must := range []string{"open: done", "open: limited", "open: link taken", "meet: done", "meet: link unknown", "post: done", "post: link taken", "post: malformed", "hers: done", "hers: link taken", "hers: link unknown"} {
		if seen[must] == 0 {
			t.Errorf("the schedules never reach %q: %v", must, seen)
		}
	}
}

// compare holds what a connection was told to the model.
func compare(t *rapid.T, l *line, m *model) {
	t.Helper()
	if got := l.hears(); !slices.Equal(got, m.told[l]) {
		t.Fatalf("was told %q, want %q", got, m.told[l])
	}
	delete(m.told, l)
}
