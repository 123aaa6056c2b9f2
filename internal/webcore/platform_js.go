package webcore

import (
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/idbstore"
	"github.com/byre-messenger/byre/internal/transport/browser"
)

// platform are the errors of what only browsers have.
var platform = []struct {
	err  error
	code string
}{
	{idbstore.ErrFull, "storage_full"},
	{idbstore.ErrBusy, "other_tab"},
	{store.ErrFailed, "storage_failed"},
	{browser.ErrBusy, "busy"},
	{browser.ErrDown, "offline"},
	{browser.ErrLost, "offline"},
	{browser.ErrGoingDown, "offline"},
}
