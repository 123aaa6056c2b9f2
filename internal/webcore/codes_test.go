package webcore

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/meet"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestCodesAreThoseOfTheAPI: a code that api.ts does not name is one that no
// screen has words for.
func TestCodesAreThoseOfTheAPI(t *testing.T) {
	api, err := os.ReadFile("../../web/src/core/api.ts")
	if err != nil {
		t.Fatal(err)
	}
	union := regexp.MustCompile(`(?s)export type Code =(.*?);`).FindSubmatch(api)
	if union == nil {
		t.Fatal("api.ts has no Code")
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`"([a-z_]+)"`).FindAllSubmatch(union[1], -1) {
		named[string(m[1])] = true
	}
	for why := linking.Linked; why <= linking.Unsettled; why++ {
		if !named[ends[why]] {
			t.Errorf("%q (%v) is not in api.ts", ends[why], why)
		}
	}
	for _, row := range append(slices.Clip(platform), codes...) {
		if !named[row.code] {
			t.Errorf("%q (%v) is not in api.ts", row.code, row.err)
		}
		if got := explain(fmt.Errorf("alice asked: %w", row.err)); got.Text == "" || !named[got.Code] {
			t.Errorf("%v is told as %+v", row.err, got)
		}
	}
}

func TestErrorsAreTold(t *testing.T) {
	for _, c := range []struct {
		err  error
		code string
	}{
		{enroll.ErrNameTaken, "name_taken"},
		{fmt.Errorf("open: %w", home.ErrPassphrase), "passphrase"},
		{errors.Join(errors.New("a name has 2 to 30 characters"), errName), "name_bad"},
		{&line.RefusedError{Code: wire.FailureLimited, Text: "slower"}, "refused"},
		{linking.CodeLengthError(5), "link_code_length"},
		{meet.EndedError{Why: linking.Contested}, "link_contested"},
		{meet.EndedError{Why: linking.Declined, Cause: home.ErrPassphrase}, "passphrase"},
		{errors.Join(meet.EndedError{Why: linking.Tampered}, errors.New("and it was not forgotten")), "link_tampered"},
		{errors.New("anything else"), "other"},
	} {
		if got := explain(c.err); got.Code != c.code || got.Text != c.err.Error() {
			t.Errorf("%v is told as %+v", c.err, got)
		}
	}
}
