package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// InviteArgs is what 'byred invite' asks for.
type InviteArgs struct {
	Uses int `json:"uses"`
}

// Invitation is the answer.
type Invitation struct {
	Code string `json:"code"`
	Uses int    `json:"uses"`
}

// invite makes an invitation.
func (s *server) invite(ctx context.Context, args json.RawMessage) (any, error) {
	var a InviteArgs
	if err := json.Unmarshal(args, &a); err != nil || a.Uses < 1 {
		return nil, errors.New("say for how many accounts the invitation is")
	}
	code, err := s.relay.Invite(ctx, a.Uses)
	if err != nil {
		return nil, fmt.Errorf("the invitation can't be written: %w", err)
	}
	return Invitation{code, a.Uses}, nil
}
