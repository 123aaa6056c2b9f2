package relay

// The defaults of [Limits]. docs/operate/limits.md has them in one table with
// all others, and why they are as they are.
const (
	maxOpenRequests    = 256       // Sends of a session
	maxOpenBytes       = 16 << 20  // bytes of their envelopes
	maxTargets         = 5_000     // mailboxes of one request
	maxAudienceTargets = 10_000    // targets of a connection
	sendBurst          = 256 << 20 // bytes x targets of an account, at once
	sendRate           = 32 << 20  // and a second
	askBurst           = 200       // questions of a connection, at once
	askRate            = 10        // and a second
	maxCommitShare     = 64 << 20  // bytes of commits of an account in a retention time
	maxMemory          = 256 << 20 // bytes of envelopes in memory alone, in all
)
