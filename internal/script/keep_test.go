//go:build testhooks

package script

import (
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"
)

// keep puts what a pattern's first group finds in the output of the command
// before into a variable: keep ID '"id":"([a-z2-7]+)"'.
func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep NAME PATTERN")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) < 2 {
		ts.Fatalf("the output has no %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}
