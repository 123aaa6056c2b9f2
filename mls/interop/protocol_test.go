package interop

// member is a client of either implementation: a signature key, at most one key
// package, at most one group. It answers the operations below; an error leaves it
// as it was.
//
//	keypackage  NotBefore, NotAfter, Supports      -> Message
//	create      the same, GroupID, Extensions      -> state
//	join        Message (a Welcome), Tree          -> state
//	groupinfo   TreeOutOfBand                      -> Message, for external and knock
//	external    Message, Tree, Resync              -> Message; confirm or discard follows
//	knock       Message, Epoch                     -> Message: proposes to add itself
//	branch      Branch, KeyPackages                -> Welcome, state of the branch
//	joinbranch  Message (its Welcome), Tree        -> state of the branch
//	send        Plaintext, AuthenticatedData       -> Message
//	propose     Kind and what it needs, Public     -> Message, Ref
//	commit      the change, Public, TreeOutOfBand  -> Message, Welcome; confirm or discard follows
//	confirm                                        -> state
//	discard
//	process     Message                            -> Kind; Plaintext, Ref, or state and Removed
//	describe                                       -> state
//	forget      the peer drops all its clients
//
// Who branches stays where it is: a branch is described and given up. Keys go
// with every operation that may need pre-shared keys. GroupID is the
// context of the exporter, too.
type member interface {
	do(r request) (reply, error)
}

type request struct {
	Op     string `json:"op"`
	Client string `json:"client,omitempty"`

	GroupID    []byte      `json:"groupId,omitempty"`
	Extensions []extension `json:"extensions,omitempty"` // of the group
	Supports   []uint16    `json:"supports,omitempty"`
	NotBefore  int64       `json:"notBefore,omitempty"`
	NotAfter   int64       `json:"notAfter,omitempty"`

	Message           []byte `json:"message,omitempty"`
	Tree              []byte `json:"tree,omitempty"` // out of band
	Plaintext         []byte `json:"plaintext,omitempty"`
	AuthenticatedData []byte `json:"authenticatedData,omitempty"`

	Epoch  uint64 `json:"epoch,omitempty"`
	Branch []byte `json:"branch,omitempty"` // group id of it

	Kind string `json:"kind,omitempty"` // of a proposal: add, remove, update, psk
	// What a commit or proposal does.
	KeyPackages   [][]byte `json:"keyPackages,omitempty"`
	Remove        []uint32 `json:"remove,omitempty"`
	Refs          [][]byte `json:"refs,omitempty"`
	PSKs          []pskID  `json:"psks,omitempty"`
	SetExtensions bool     `json:"setExtensions,omitempty"`
	Path          bool     `json:"path,omitempty"` // ts-mls makes one where it must alone
	Public        bool     `json:"public,omitempty"`
	TreeOutOfBand bool     `json:"treeOutOfBand,omitempty"`
	Resync        bool     `json:"resync,omitempty"`

	Keys []externalKey `json:"keys,omitempty"`
}

type extension struct {
	Type uint16 `json:"type"`
	Data []byte `json:"data"`
}

// pskID is external with an ID, a resumption otherwise.
type pskID struct {
	ID      []byte `json:"id,omitempty"`
	GroupID []byte `json:"groupId,omitempty"`
	Epoch   uint64 `json:"epoch"`
}

type externalKey struct {
	ID  []byte `json:"id"`
	Key []byte `json:"key"`
}

type reply struct {
	Error string `json:"error,omitempty"`

	Message   []byte `json:"message"`
	Welcome   []byte `json:"welcome"`
	Ref       []byte `json:"ref"`
	Kind      string `json:"kind"` // application, proposal, commit
	Plaintext []byte `json:"plaintext"`
	Removed   bool   `json:"removed"`
	state
}

// state is what all members must agree on; Self is their difference.
type state struct {
	Epoch         uint64 `json:"epoch"`
	Self          uint32 `json:"self"`
	Authenticator []byte `json:"authenticator"`
	Exporter      []byte `json:"exporter"`
	Resumption    []byte `json:"resumption"`
	Tree          []byte `json:"tree"`
}
