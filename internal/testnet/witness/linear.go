package witness

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Append is what was asked of an epoch's log: to take an entry as the one
// behind After others.
type Append struct {
	Log   string
	After int
	Entry string
}

// Read asks for an epoch's log from an index on.
type Read struct {
	Log  string
	From int
}

// Won answers an Append that entered.
type Won struct{}

// Page answers a Read, and an Append that did not enter: entries from an index
// on, as many as the server cared to send, but one at least if there is one.
type Page struct {
	From    int
	Entries []string
}

// Publish puts one-time key packages of a device behind those that are there,
// or in their place, and replaces its last-resort one unless that is empty.
type Publish struct {
	Of         string
	OneTime    []string
	LastResort string
	Replace    bool
}

// Claim asks for one key package of a device.
type Claim struct{ Of string }

// Given answers a Claim; nothing was given where Package is empty.
type Given struct {
	Package    string
	LastResort bool
}

// Done answers a Publish.
type Done struct{}

// Refused answers what was refused before it had any effect.
type Refused struct{}

// Trace records calls to a server by many at a time, with their answers. A call
// that is never answered, or whose answer says that its outcome is unknown, may
// have taken effect at any time after it began, or never. The zero value is
// ready; it is safe for concurrent use.
type Trace struct {
	mu   sync.Mutex
	now  int64
	ops  []porcupine.Operation
	open int
}

// Begin records that somebody asks, and returns what is to be called with the
// answer.
func (t *Trace) Begin(who int, ask any) (end func(answer any)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now++
	at := len(t.ops)
	t.ops = append(t.ops, porcupine.Operation{ClientId: who, Input: ask, Call: t.now, Return: math.MaxInt64})
	t.open++
	return func(answer any) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.now++
		if t.ops[at].Output == nil {
			t.open--
		}
		t.ops[at].Return, t.ops[at].Output = t.now, answer
	}
}

// Len is how many calls were recorded, and how many of them have no answer.
func (t *Trace) Len() (calls, open int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.ops), t.open
}

// Counts is how many entries won their place in a log, and how many key packages
// were given out, as far as anybody was answered.
func (t *Trace) Counts() (won, given int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, op := range t.ops {
		switch out := op.Output.(type) {
		case Won:
			won++
		case Given:
			if out.Package != "" {
				given++
			}
		}
	}
	return won, given
}

// decideIn bounds the search for an order.
const decideIn = 10 * time.Second

// Check looks for an order of the calls, one after the other, that explains all
// answers and agrees with what came before what. Where there is none, an epoch
// had two winners, a log forgot, a key package was given out twice. The search
// grows with the calls that nobody answered; what it did not come to an end of
// is undecided. It must run outside of a synctest bubble: it takes real time.
func (t *Trace) Check() (wrong, undecided []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for object, ops := range byObject(t.ops) {
		model := claims
		if strings.HasPrefix(object, "log ") {
			model = logs
		}
		switch porcupine.CheckOperationsTimeout(model, ops, decideIn) {
		case porcupine.Illegal:
			wrong = append(wrong, fmt.Sprintf("not linearizable: %s\n%s", object, tell(ops)))
		case porcupine.Unknown:
			undecided = append(undecided, fmt.Sprintf("not decided in %v: %s has %d calls", decideIn, object, len(ops)))
		case porcupine.Ok:
		}
	}
	slices.Sort(wrong)
	slices.Sort(undecided)
	return wrong, undecided
}

// byObject parts the calls by what they are about, without those that were
// refused.
func byObject(all []porcupine.Operation) map[string][]porcupine.Operation {
	out := map[string][]porcupine.Operation{}
	for _, op := range all {
		if _, refused := op.Output.(Refused); refused {
			continue
		}
		var object string
		switch in := op.Input.(type) {
		case Append:
			object = "log " + in.Log
		case Read:
			object = "log " + in.Log
			if op.Output == nil {
				continue // nobody saw what it read
			}
		case Publish:
			object = "key packages of " + in.Of
		case Claim:
			object = "key packages of " + in.Of
		}
		out[object] = append(out[object], op)
	}
	return out
}

func tell(ops []porcupine.Operation) string {
	var b strings.Builder
	for _, op := range ops {
		ret := fmt.Sprint(op.Return)
		if op.Output == nil {
			ret = "never"
		}
		fmt.Fprintf(&b, "  %d..%s by %d: %+v -> %+v\n", op.Call, ret, op.ClientId, op.Input, op.Output)
	}
	return b.String()
}

// logs is one epoch's log, done one after the other. Its state is the entries.
var logs = porcupine.Model{
	Init:  func() any { return []string(nil) },
	Equal: func(a, b any) bool { return slices.Equal(a.([]string), b.([]string)) },
	Step: func(state, ask, answer any) (bool, any) {
		log := state.([]string)
		switch in := ask.(type) {
		case Append:
			fits := len(log) == in.After
			after := log
			if fits {
				after = append(slices.Clip(log), in.Entry)
			}
			switch out := answer.(type) {
			case nil: // nobody knows
				return true, after
			case Won:
				return fits, after
			case Page:
				return !fits && shows(log, in.After, out), log
			}
		case Read:
			if out, ok := answer.(Page); ok {
				return shows(log, in.From, out), log
			}
		}
		return false, state
	},
}

// shows reports whether a page is of a log.
func shows(log []string, from int, p Page) bool {
	if p.From != from {
		return false
	}
	if from >= len(log) {
		return len(p.Entries) == 0
	}
	there := log[from:]
	return len(p.Entries) > 0 && len(p.Entries) <= len(there) && slices.Equal(p.Entries, there[:len(p.Entries)])
}

// shelf is the key packages of one device.
type shelf struct {
	oneTime []string
	last    string
}

// claims is the key packages of one device, done one after the other. The
// server may spare one-time ones: a last-resort one is right at any time.
var claims = porcupine.Model{
	Init: func() any { return shelf{} },
	Equal: func(a, b any) bool {
		x, y := a.(shelf), b.(shelf)
		return x.last == y.last && slices.Equal(x.oneTime, y.oneTime)
	},
	Step: func(state, ask, answer any) (bool, any) {
		s := state.(shelf)
		switch in := ask.(type) {
		case Publish:
			next := shelf{oneTime: slices.Concat(s.oneTime, in.OneTime), last: s.last}
			if in.Replace {
				next.oneTime = in.OneTime
			}
			if in.LastResort != "" {
				next.last = in.LastResort
			}
			return true, next // answered or not
		case Claim:
			return claim(s, answer)
		}
		return false, state
	},
}

func claim(s shelf, answer any) (bool, any) {
	out, known := answer.(Given)
	switch {
	case !known && len(s.oneTime) == 0:
		return true, s
	case !known:
		return true, shelf{s.oneTime[1:], s.last}
	case out.Package == "":
		return len(s.oneTime) == 0 && s.last == "", s
	case out.LastResort:
		return out.Package == s.last, s
	case len(s.oneTime) == 0 || s.oneTime[0] != out.Package:
		return false, s
	}
	return true, shelf{s.oneTime[1:], s.last}
}
