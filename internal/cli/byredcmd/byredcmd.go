// Package byredcmd has the commands of byred, the server: one file a command.
package byredcmd

import (
	"flag"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/server/config"
)

// Root returns the program.
func Root() *cli.Command {
	return &cli.Command{
		Name:    "byred",
		Summary: "byred is the server of byre, a messenger whose operator can't read what people say.",
		Example: "byred serve",
		Sub:     []*cli.Command{serve(), status(), invite(), doctorCommand(), backupCommand(), restoreCommand(), configuration()},
	}
}

func dataFlag(flags *flag.FlagSet) *string {
	return flags.String("data", config.Default().Data, "data `directory` of the server")
}
