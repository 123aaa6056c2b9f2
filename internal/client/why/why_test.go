package why

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/wire"
)

func TestEachReasonHasItsSentence(t *testing.T) {
	for _, x := range []struct {
		err  error
		says string
	}{
		{fmt.Errorf("claim: %w", account.ErrForged), "a key package that bob's device did not make"},
		{account.ErrUnlisted, "it sends nothing: recover the account"},
		{account.ErrMissing, "waits until bob connects"},
		{account.ErrChain, "a device list of bob that does not hold"},
		{&line.RefusedError{Code: wire.FailureAccountUnknown}, "does not know bob's account any more"},
		{&line.RefusedError{Code: wire.FailureLimited}, "asks to go slower"},
		{errors.New("rain"), "the message to bob waits: rain"},
	} {
		if got := Waits("bob", x.err); !strings.Contains(got, x.says) {
			t.Errorf("%v: %q", x.err, got)
		}
	}
	for _, x := range []struct {
		err  error
		says string
	}{
		{&line.RefusedError{Code: wire.FailureLimited}, "for bob: the server asks to go slower, and is asked again"},
		{errors.New("rain"), "for bob, and the server is asked again: rain"},
	} {
		if got := Stays("bob", x.err); !strings.Contains(got, x.says) {
			t.Errorf("%v: %q", x.err, got)
		}
	}
}
