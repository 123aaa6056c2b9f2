package cli

import (
	"flag"
	"fmt"
	"os"
)

// CA adds --ca, and returns what reads the file that it names, if it does.
func CA(flags *flag.FlagSet) func() ([]byte, error) {
	file := flags.String("ca", "", "`FILE` with the authority of the server's certificate (ca.pem of its data directory)")
	return func() ([]byte, error) {
		if *file == "" {
			return nil, nil
		}
		pem, err := os.ReadFile(*file)
		if err != nil {
			return nil, fmt.Errorf("the authority of --ca can't be read; name the ca.pem of the server's data directory: %w", err)
		}
		return pem, nil
	}
}
