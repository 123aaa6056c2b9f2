package server

import (
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/server/config"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/vault"
)

// openVault returns the vault that the operator chose, with what he decided for
// this start.
func openVault(cfg config.Config, dir *datadir.Dir) (vault.Config, error) {
	c, err := dir.Vault()
	if err != nil {
		return vault.Config{}, err
	}
	if cfg.Vault == config.VaultMemory {
		// What an earlier start kept in files must not outlive this choice.
		slots, err := c.Vault.Slots()
		for _, s := range slots {
			s.Key.Wipe()
			err = errors.Join(err, c.Vault.Erase(s.Generation))
		}
		if err != nil {
			return vault.Config{}, err
		}
		c.Vault, c.Checkpoints = &vault.Memory{}, &vault.Shelf{}
	}
	c.Confirmed, c.Discard = cfg.Now.AcceptClock, cfg.Now.GiveUpWaiting
	return c, nil
}

// undecided tells the operator by what he decides.
func undecided(err error) error {
	switch {
	case errors.Is(err, vault.ErrClock):
		return fmt.Errorf("%w: byred serve --accept-clock", err)
	case errors.Is(err, vault.ErrLost):
		return fmt.Errorf("%w: byred serve --give-up-waiting", err)
	}
	return err
}
