// Package trust is how long a device may believe what it knows of a group
// without asking: that its epoch is the present one, and that the other members
// can still read what is sent in it (ADR 12). It is pure: the time is given to it.
package trust

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// Retention is how long the relay keeps anything at most.
	Retention = 72 * time.Hour
	// Epoch is how long an epoch is believed in after it was last known to be the
	// present one: a used log says so for 30 days, and a fan-out that brought
	// this device there may have been as old as the retention.
	Epoch = 30*24*time.Hour - Retention
	// Daily is how often a connected device reads the log of each epoch (ADR 13).
	Daily = 24 * time.Hour
	// Follow is how long a member is believed to follow a commit or a Welcome
	// after which it said nothing. Both die at the relay after the retention,
	// which is 48 hours at least, and what is sent then opens for nobody who was
	// away: what is sent in time can be read for a day more.
	Follow = 24 * time.Hour
	// Silent is how long a member is believed to be there after it said
	// something. It read the log within the day before that, believes in the
	// epoch from then on, and has to when it reads the last message that is sent
	// to it, which waits for the retention. An hour is for clocks.
	Silent = Epoch - Daily - Retention - time.Hour
	// Left is how long a group that was left is kept, for what others say in it:
	// as long as any of them can believe in it, and the retention.
	Left = Epoch + Retention + Daily
)

// Over reports whether an epoch that was last known to be the present one at
// sure is over for this device.
func Over(sure, now time.Time) bool { return now.Sub(sure) >= Epoch }

// Due reports whether the epoch's log is to be read.
func Due(sure, now time.Time) bool { return now.Sub(sure) >= Daily }

// Members is what a device knows of the others in a group.
type Members []wire.FollowRecord

// Hears returns the members after one of them said something at a time. In the
// present epoch it shows that the member followed every commit.
func (m Members) Hears(d ident.DeviceID, at time.Time, present bool) Members {
	m = slices.Clone(m)
	for i := range m {
		if !bytes.Equal(m[i].Device, d[:]) {
			continue
		}
		m[i].HeardAt = max(m[i].HeardAt, at.UnixMilli())
		if present {
			m[i].MissedAt = 0
		}
	}
	return m
}

// Opens returns the members after something of one of them was opened here.
func (m Members) Opens(d ident.DeviceID, at time.Time) Members {
	m = slices.Clone(m)
	for i := range m {
		if bytes.Equal(m[i].Device, d[:]) {
			m[i].OpenedAt = max(m[i].OpenedAt, at.UnixMilli())
		}
	}
	return m
}

// Active is when a device was last heard here, or added.
func (m Members) Active(d ident.DeviceID) (at time.Time) {
	for _, r := range m {
		// Records of before OpenedAt know HeardAt alone.
		if n := cmp.Or(max(r.OpenedAt, r.AddedAt), r.HeardAt); bytes.Equal(r.Device, d[:]) && n != 0 {
			at = time.UnixMilli(n)
		}
	}
	return at
}

// Adds returns the members after some of them were added, by a commit of no
// earlier than at that is seen now: of them nothing is known, whatever was.
func (m Members) Adds(added []ident.DeviceID, at, now time.Time) Members {
	m = slices.Clone(m)
	for i := range m {
		if slices.ContainsFunc(added, func(d ident.DeviceID) bool { return bytes.Equal(m[i].Device, d[:]) }) {
			m[i] = wire.FollowRecord{Device: m[i].Device, MissedAt: at.UnixMilli(), AddedAt: now.UnixMilli()}
		}
	}
	return m
}

// Begins returns the members of an epoch that began no earlier than at by what
// one of them did; the zero id is this device. others are all members but this
// device: nothing shows yet that they followed.
func (m Members) Begins(by ident.DeviceID, at time.Time, others []ident.DeviceID) Members {
	out := make(Members, 0, len(others))
	for _, d := range others {
		r := wire.FollowRecord{Device: d[:]}
		for _, known := range m {
			if bytes.Equal(known.Device, d[:]) {
				r = known
			}
		}
		switch {
		case d == by:
			r.HeardAt, r.MissedAt = max(r.HeardAt, at.UnixMilli()), 0
		case r.MissedAt == 0:
			r.MissedAt = at.UnixMilli()
		}
		out = append(out, r)
	}
	return out
}

// Deaf reports whether there is a member that may be unable to read what is sent
// now, while the sender is told that it waits.
func (m Members) Deaf(now time.Time) bool {
	return slices.ContainsFunc(m, func(r wire.FollowRecord) bool {
		return r.MissedAt != 0 && now.Sub(time.UnixMilli(r.MissedAt)) >= Follow ||
			r.HeardAt != 0 && now.Sub(time.UnixMilli(r.HeardAt)) >= Silent
	})
}
