package witness

import (
	"fmt"
	"slices"
	"strings"
)

// Check returns what is wrong with the history, one sentence each, in an order
// that does not change; nil is a history in which every promise was kept. It
// takes for granted that everybody was let finish before the end was recorded.
func (h *History) Check() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	j := judge{history: h, kept: map[Device]map[string]int{}}
	for d, pages := range h.diaries {
		j.kept[d] = counts(pages.kept)
	}
	j.promises()
	j.words()
	for d, pages := range h.diaries {
		j.once(d, "keeps", pages.kept)
		j.once(d, "was told of", pages.told)
		j.real(d, "keeps", pages.kept)
		j.real(d, "was told of", pages.told)
		j.order(d, "keeps", pages.kept)
		j.order(d, "was told of", pages.told)
		j.ends(d, pages)
	}
	slices.Sort(j.wrong)
	return slices.Compact(j.wrong)
}

// judge is one check under way.
type judge struct {
	history *History
	kept    map[Device]map[string]int // how often each text stands there
	wrong   []string
}

func (j *judge) find(format string, args ...any) {
	j.wrong = append(j.wrong, fmt.Sprintf(format, args...))
}

func counts(list []Entry) map[string]int {
	n := map[string]int{}
	for _, e := range list {
		n[e.Text]++
	}
	return n
}

// reads reports whether a letter is for a device: for those of its receiver, and
// for the other ones of its sender.
func (j *judge) reads(l letter, d Device) bool {
	p := j.history.owners[d]
	return d != l.from && (p == l.to || p == j.history.owners[l.from])
}

// promises: what a device took is on every device that it is for.
func (j *judge) promises() {
	for _, l := range j.history.letters {
		if !l.promised {
			continue
		}
		for d := range j.history.owners {
			if j.reads(l, d) && j.kept[d][l.text] == 0 {
				j.find("lost: %s took %q and %s does not have it", l.from, l.text, d)
			}
		}
	}
}

// words: what a sender was told is true.
func (j *judge) words() {
	for _, w := range j.history.words {
		l, known := j.history.letters[w.text]
		switch {
		case !known:
			j.find("nobody wrote: %q is %s at %s", w.text, w.word, w.at)
		case !j.reads(l, w.at):
			j.find("astray: %q is %s at %s", w.text, w.word, w.at)
		case j.kept[w.at][w.text] == 0:
			j.find("lost: %s was told that %q is %s at %s, which does not have it", l.from, w.text, w.word, w.at)
		}
	}
}

// once: nothing stands twice.
func (j *judge) once(d Device, how string, list []Entry) {
	for text, n := range counts(list) {
		if n > 1 {
			j.find("twice: %s %s %q %d times", d, how, text, n)
		}
	}
}

// real: what stands there was written, by whom it says, to its reader.
func (j *judge) real(d Device, how string, list []Entry) {
	for _, e := range list {
		l, known := j.history.letters[e.Text]
		switch {
		case !known:
			j.find("nobody wrote: %s %s %q", d, how, e.Text)
		case l.from != e.From:
			j.find("forged: %s %s %q as of %s, and %s wrote it", d, how, e.Text, e.From, l.from)
		case !j.reads(l, d):
			j.find("astray: %s %s %q, which is for %s", d, how, e.Text, l.to)
		}
	}
}

// order: of each sender's letters none stands behind a later one, but as many
// as the device told its owner came late after they had been given up.
func (j *judge) order(d Device, how string, list []Entry) {
	last := map[[2]string]letter{}
	late := map[string][]string{}
	for _, e := range list {
		l, known := j.history.letters[e.Text]
		if !known {
			continue
		}
		line := [2]string{e.Room, string(e.From)}
		if before, ok := last[line]; ok && l.n < before.n {
			late[e.Room] = append(late[e.Room], fmt.Sprintf("%q behind %q", l.text, before.text))
			continue
		}
		last[line] = l
	}
	for room, list := range late {
		healed := 0
		if g := j.history.diaries[d].gaps[room]; g != nil {
			healed = g.healed
		}
		if len(list) > healed {
			j.find("out of order: %s %s %s", d, how, strings.Join(list, ", "))
		}
	}
}

// ends: nothing is left to do, nothing is said to be lost that did not come,
// and what a device told of it kept.
func (j *judge) ends(d Device, pages *diary) {
	for _, text := range pages.waiting {
		j.find("stuck: %s still waits to send %q", d, text)
	}
	for _, text := range pages.alarms {
		j.find("alarm: %s said: %s", d, text)
	}
	for room, g := range pages.gaps {
		if g.lost != g.healed {
			j.find("gap: %s said that %d messages of %s are lost and that %d came after all", d, g.lost, room, g.healed)
		}
	}
	for _, e := range pages.told {
		if j.kept[d][e.Text] == 0 {
			j.find("lost: %s told of %q and does not keep it", d, e.Text)
		}
	}
}
