package meeting

// Held counts what is in memory: places, and connections that are known.
func (p *Places) Held() (places, lines int) {
	if len(p.byName) != len(p.ordered) || len(p.of) != len(p.ordered) {
		return -1, -1
	}
	return len(p.ordered), len(p.lines)
}
