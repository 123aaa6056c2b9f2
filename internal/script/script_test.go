//go:build testhooks

package script

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/cli/byrecmd"
	"github.com/byre-messenger/byre/internal/cli/byredcmd"
	"github.com/byre-messenger/byre/internal/hygiene"
)

// actors are devices with homes of their own.
var actors = []string{"alice", "laptop", "bob", "carol", "mallory"}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"byre": func() {
			hygiene.Close()
			os.Exit(byrecmd.Main(context.Background(), environment(), os.Args[1:]))
		},
		"byred": func() {
			hygiene.Close()
			os.Exit(cli.Main(context.Background(), byredcmd.Root(), environment(), os.Args[1:]))
		},
	})
}

func environment() *cli.Env {
	return &cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
}

func TestScripts(t *testing.T) {
	cmds := map[string]func(*testscript.TestScript, bool, []string){
		"operator": operator,
		"clock":    setClock,
		"await":    await,
		"absent":   absent,
		"tear":     tear,
		"keep":     keep,
		"capture":  capture,
	}
	for _, who := range actors {
		cmds[who] = actor(who)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                cmds,
		Setup: func(env *testscript.Env) error {
			dir, err := os.MkdirTemp("", "byre") //nolint:usetesting // the control socket's path must stay short
			if err != nil {
				return err
			}
			env.Defer(func() { _ = os.RemoveAll(dir) })
			env.Setenv("DATA", filepath.Join(dir, "data"))
			env.Setenv("HOMES", dir)
			env.Setenv("CLOCK", filepath.Join(dir, "clock"))
			env.Setenv("BYRE_DEV_CLOCK", filepath.Join(dir, "clock"))
			env.Setenv("BYRE_WEAK_PASSPHRASE", "1")
			env.Setenv("BYRE_PASSPHRASE", "correct horse")
			env.Setenv("BYRE_EXPORT_PASSPHRASE", "battery staple")
			env.Values[stageKey{}] = &stage{processes: map[string]*process{}}
			return nil
		},
	})
}
