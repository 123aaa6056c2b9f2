package testnet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"github.com/byre-messenger/byre/internal/testnet/witness"
	"github.com/byre-messenger/byre/internal/wire"
)

// traced is what one connection asked that the witness wants to know of, by the
// request's id. The connection's sender and its reader share it under the
// cable's lock.
type traced map[uint64]func(wire.ResponseBody)

// mark stands for bytes in a trace.
func mark(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

func marks(list [][]byte) (out []string) {
	for _, b := range list {
		out = append(out, mark(b))
	}
	return out
}

// asked records a frame on its way up.
func (c *cable) asked(frame []byte) {
	var f wire.Frame
	if f.Parse(frame) != nil {
		return
	}
	req, ok := f.Body.(*wire.Request)
	if !ok {
		return
	}
	t, who := c.s.wires.trace, c.s.who
	var end func(wire.ResponseBody)
	switch in := req.Body.(type) {
	case *wire.AppendEpoch:
		end = appended(t.Begin(who, witness.Append{Log: mark(in.Handle), After: int(in.After), Entry: mark(in.Commit)})) //nolint:gosec // a small index
	case *wire.ReadEpoch:
		if bytes.Equal(in.Handle, make([]byte, len(in.Handle))) {
			return // asked to hear whether the relay is there
		}
		end = appended(t.Begin(who, witness.Read{Log: mark(in.Handle), From: int(in.From)})) //nolint:gosec // a small index
	case *wire.PublishKeyPackages:
		of := mark(c.device)
		end = answered(t.Begin(who, witness.Publish{Of: of, OneTime: marks(in.OneTime), LastResort: mark(in.LastResort), Replace: in.Replace}),
			func(wire.ResponseBody) any { return witness.Done{} })
	case *wire.ClaimKeyPackages:
		end = claimed(t, who, in.Devices)
	case *wire.SignIn:
		c.device = bytes.Clone(in.Device)
		return
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.traced == nil {
		c.traced = traced{}
	}
	c.traced[req.Id] = end
}

// heard records a frame that came down.
func (c *cable) heard(frame []byte) {
	c.mu.Lock()
	waits := len(c.traced) > 0
	c.mu.Unlock()
	var f wire.Frame
	if !waits || f.Parse(frame) != nil {
		return
	}
	if r, ok := f.Body.(*wire.Response); ok {
		c.mu.Lock()
		end := c.traced[r.Id]
		delete(c.traced, r.Id)
		c.mu.Unlock()
		if end != nil {
			end(r.Body)
		}
	}
}

// answered ends a call with what an answer says. Where the server could not
// write nobody knows what became of it, and the call stays open.
func answered(end func(any), read func(wire.ResponseBody) any) func(wire.ResponseBody) {
	return func(body wire.ResponseBody) {
		if f, failed := body.(*wire.Failure); failed {
			if f.Code != wire.FailureUnavailable {
				end(witness.Refused{})
			}
			return
		}
		end(read(body))
	}
}

func appended(end func(any)) func(wire.ResponseBody) {
	return answered(end, func(body wire.ResponseBody) any {
		switch out := body.(type) {
		case *wire.EpochAppended:
			return witness.Won{}
		case *wire.EpochLog:
			if !out.Over {
				return witness.Page{From: int(out.From), Entries: marks(out.Entries)} //nolint:gosec // a small index
			}
		default: // no verdict of the log
		}
		return witness.Refused{}
	})
}

// claimed is one call for each device asked for.
func claimed(t *witness.Trace, who int, devices [][]byte) func(wire.ResponseBody) {
	var ends []func(wire.ResponseBody)
	for _, d := range devices {
		ends = append(ends, answered(t.Begin(who, witness.Claim{Of: mark(d)}), func(body wire.ResponseBody) any {
			var out witness.Given
			if got, ok := body.(*wire.KeyPackages); ok {
				for _, p := range got.Packages {
					if bytes.Equal(p.Device, d) {
						out = witness.Given{Package: mark(p.KeyPackage), LastResort: p.LastResort}
					}
				}
			}
			return out
		}))
	}
	return func(body wire.ResponseBody) {
		for _, end := range ends {
			end(body)
		}
	}
}
