// Package webcore gives the device core to the worker of a browser: calls with
// arguments in JSON, answers and events in JSON. What it offers is the API of
// web/src/core/api.ts, which documents it. But for this file it is built for
// js/wasm only.
package webcore

import (
	"context"
	"errors"
	"slices"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/meet"
	"github.com/byre-messenger/byre/internal/client/requests"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/linking"
)

// problem is why something did not work: a code by which a screen finds its own
// words, and a sentence.
type problem struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Errors of this package; see codes.
var (
	errLocked    = errors.New("byre is locked: open it with the passphrase first")
	errBadCall   = errors.New("the page asked for what its core does not know: reload it")
	errEmptyPass = errors.New("the passphrase is empty: type at least one character")
	errCancelled = errors.New("byre was locked meanwhile")
	errKey       = errors.New("the passkey does not open this home: use the passphrase")
	errName      = errors.New("this is no name")
	errNotAsked  = errors.New("there is nothing to answer any more: see how linking ended")
	errNoDevice  = errors.New("this device is removed already")
	errLinkKey   = errors.New("the server is not the one that the code is for: nothing was changed; make a new code, on another network if it happens again")
	errPhrase    = errors.New("these words are not this account's recovery phrase: compare them with the paper, and check the name")
	errUnsure    = errors.New("stopped: if the other device had agreed already, it may be linked all the same; see the list of devices")
)

// codes are api.ts's, most special first.
var codes = []struct {
	err  error
	code string
}{
	{errLocked, "locked"},
	{errBadCall, "bad_call"},
	{errEmptyPass, "passphrase_empty"},
	{errCancelled, "cancelled"},
	{errKey, "passkey_wrong"},
	{errName, "name_bad"},
	{errNotAsked, "link_over"},
	{errNoDevice, "link_no_device"},
	{errLinkKey, "link_server"},
	{errUnsure, "link_unsure"},
	{enroll.ErrNameTaken, "name_taken"},
	{enroll.ErrNameAlike, "name_alike"},
	{enroll.ErrNameRefused, "name_refused"},
	{enroll.ErrInvitation, "invitation_needed"},
	{enroll.ErrUsed, "invitation_used"},
	{enroll.ErrClosed, "registration_closed"},
	{enroll.ErrSlow, "work_slow"},
	{enroll.ErrRegistered, "registered"},
	{enroll.ErrNotRegistered, "not_registered"},
	{errPhrase, "phrase_wrong"},
	{account.ErrNoPhrase, "phrase_none"},
	{account.ErrHasPhrase, "phrase_set"},
	{enroll.ErrRecovers, "phrase_waits"},
	{enroll.ErrOvertaken, "phrase_used"},
	{enroll.ErrNotTaken, "phrase_refused"},
	{enroll.ErrNameUnknown, "name_unknown"},
	{enroll.ErrBegun, "link_begun"},
	{enroll.ErrWaits, "link_busy"},
	{enroll.ErrNoCode, "link_code_length"},
	{why.ErrLinking, "link_busy"},
	{linking.ErrCodeMistyped, "link_code_mistyped"},
	{meet.ErrTooOld, "link_old_server"},
	{account.ErrForked, "forked"},
	{home.ErrPassphrase, "passphrase"},
	{home.ErrNewer, "newer_home"},
	{home.ErrDamaged, "damaged"},
	{why.ErrNameUnknown, "name_unknown"},
	{why.ErrMoved, "name_moved"},
	{why.ErrTwoNames, "name_moved"},
	{why.ErrSelf, "self"},
	{why.ErrUnknownRoom, "room_unknown"},
	{why.ErrUnknownMessage, "message_unknown"},
	{why.ErrSafety, "safety_differs"},
	{deeds.ErrNotYours, "not_yours"},
	{deeds.ErrEmoji, "emoji_bad"},
	{why.ErrEmpty, "text_empty"},
	{why.ErrTooLong, "text_long"},
	{why.ErrNoText, "text_bad"},
	{requests.ErrNone, "name_unknown"},
	{ident.ErrBad, "bad_call"},
	{line.ErrServerKey, "server_key"},
	{why.ErrOldCopy, "old_copy"},
	{why.ErrWiped, "device_wiped"},
	{why.ErrDeviceRemoved, "device_removed"},
	{line.ErrProtocol, "protocol"},
	{line.ErrRetention, "retention"},
	{line.ErrSuperseded, "superseded"},
	{line.ErrOffline, "offline"},
	{why.ErrClosed, "cancelled"},
	{context.Canceled, "cancelled"},
}

// ends are the codes of how linking ended.
var ends = map[linking.Why]string{
	linking.Linked: "link_done", linking.Declined: "link_declined", linking.Expired: "link_expired",
	linking.Contested: "link_contested", linking.Tampered: "link_tampered", linking.Overtaken: "link_overtaken",
	linking.Refused: "link_refused", linking.Abandoned: "link_abandoned", linking.Removed: "link_removed",
	linking.Unsettled: "link_unsettled",
}

// explain gives an error its code; more are rows that go before the others.
func explain(err error) problem {
	for _, c := range append(slices.Clip(platform), codes...) {
		if errors.Is(err, c.err) {
			return problem{c.code, err.Error()}
		}
	}
	if _, ok := errors.AsType[linking.CodeLengthError](err); ok {
		return problem{"link_code_length", err.Error()}
	}
	if end, ok := errors.AsType[meet.EndedError](err); ok && ends[end.Why] != "" {
		return problem{ends[end.Why], err.Error()}
	}
	if _, ok := errors.AsType[*line.RefusedError](err); ok {
		return problem{"refused", err.Error()}
	}
	return problem{"other", err.Error()}
}
